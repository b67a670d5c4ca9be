"""Cells that a spreadsheet, a web page or a tired person has spoilt."""

from typing import Final

from tests.integration.nasty_sheets.case import Case, text

HEADER: Final = "merchant_code,name"
DEVICES: Final = "device_no,model_no,site_no"

CASES: Final = (
    Case("numbers-twice", text(HEADER, "N1,a", "N2,b", "N1,c", "N1,a")),
    Case("zeros-kept-by-a-formula-of-text", text(HEADER, '"=""00123""",a')),
    Case("apostrophe-before-a-code", text(HEADER, "'00123,a")),
    Case("apostrophe-of-an-export", text(HEADER, "N1,'=a", "N2,'@b", "N3,'－c")),
    Case("formulas", text(HEADER, '"=A1&""x""",a', 'N2,"=HYPERLINK(""http://x"",""y"")"', "N3,=cmd|' /C calc'!A0")),
    Case("error-values", text(HEADER, "#N/A,a", "N2,#REF!", "N3,#VALUE!")),
    Case("columns-too-narrow", text(HEADER, "######,a", "N2,########")),
    Case("numbers-rounded", text(HEADER, "4.10101E+17,a", "N2,1.23457E+11")),
    Case("full-width-digits-in-a-code", text(HEADER, "４１０１,a")),
    Case(
        "invisible-characters",
        text(HEADER, "N\u200b1,a", "N2,a\u00a0b", "N3,\u202eabc", "N4,\ufeffa", "N5,a\u2009b"),
    ),
    Case("wide-blank-in-a-name", text(HEADER, "N1,张　三")),
    Case("outer-blanks", text(HEADER, "  N1\u3000,\u00a0a\t")),
    Case("characters-lost-before", text(HEADER, "N1,张\ufffd\ufffd")),
    Case("line-break-in-a-cell", text(HEADER, 'N1,"a\nb"', 'N2,"a\tb"')),
    Case("codes-with-blanks-and-slashes", text(HEADER, "N 1,a", "N/2,b", "编号3,c")),
    Case("too-many-cells", text(HEADER, "N1,Zhang, Li", "N2,a,,", 'N3,"Zhang, Li"')),
    Case("key-missing", text(HEADER, ",a", "N2,b")),
    Case("name-missing", text(HEADER, "N1,", "N2,b")),
    Case("name-of-200-characters", text(HEADER, f"N1,{'长' * 200}")),
    Case("word-misspelt", text("merchant_code,name,status", "N1,a,actve", "N2,b,正常", "N3,c,啊")),
    Case(
        "days-in-every-form",
        text(
            "model_no,kind,vendor,withdrawn_on",
            "X1,kiosk,V,43340",
            "X2,kiosk,V,20180827",
            "X3,kiosk,V,2018-08-27 10:30",
            "X4,kiosk,V,2018-02-30",
            "X5,kiosk,V,27/8/2018",
            "X6,kiosk,V,2018年8月27日",
            "X7,kiosk,V,2018/8/27 0:00",
            "X8,kiosk,V,２０１８-08-27",
        ),
        noun="models",
    ),
    Case(
        "numbers-in-every-form",
        text(
            f"{DEVICES},original_value_yuan,max_g",
            'D1,GW-1,000123,"1,234.56",15000',
            "D2,GW-1,000123,3600元,15kg",
            "D3,GW-1,000123,-1,1.5",
            "D4,GW-1,000123,1.234,abc",
            "D5,GW-1,000123,３６００,1E+05",
        ),
        noun="devices",
    ),
    Case(
        "references-that-lead-nowhere",
        text(DEVICES, "D1,ACS15,000123", "D2,ACS-15,123", "D3,ACS-15,000125"),
        noun="devices",
    ),
    Case(
        "personal-numbers-wrong",
        text(
            "merchant_code,name,phone,identity_no",
            "N1,a,1380013800,",
            "N2,b,,110105194912310021",
            "N3,c,138****8000,",
            "000000000000000012,,138****8000,",
        ),
    ),
)
