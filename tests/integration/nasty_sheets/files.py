"""Files of text that are hard to read, or cannot be read: encodings, separators, quotation marks, sizes."""

from typing import Final

from tests.integration.nasty_sheets.case import Case, text

HEADER: Final = "merchant_code,name"

CASES: Final = (
    Case("utf-8", text("商户编码,商户名称", "N1,张记")),
    Case("utf-8-with-byte-order-mark", text("商户编码,商户名称", "N1,张记", encoding="utf-8-sig")),
    Case("gb18030-with-rare-characters", text("商户编码,商户名称", "N1,𠮷㐂", encoding="gb18030")),
    Case("utf-16", text(HEADER, "N1,a", encoding="utf-16")),
    Case("utf-16-without-mark", text(HEADER, "N1,a", encoding="utf-16-le")),
    Case("two-encodings", lambda: f"{HEADER}\nN1,张记鲜肉\n".encode() + "N2,李记蔬菜\n".encode("gb18030")),
    Case("marked-utf-8-and-is-not", lambda: b"\xef\xbb\xbf" + f"{HEADER}\nN1,张记\n".encode("gb18030")),
    Case("no-encoding-at-all", lambda: f"{HEADER}\nN1,a\nN2,".encode() + b"\xff\xfe\xff\n"),
    Case("nul-in-a-cell", text(HEADER, "N1,a\x00b")),
    Case("empty", lambda: b""),
    Case("only-a-byte-order-mark", lambda: b"\xef\xbb\xbf"),
    Case("only-blank-rows", text("", ",,,", "   ,")),
    Case("only-a-header", text(HEADER)),
    Case("quotation-mark-never-closed", text(HEADER, 'N1,"a', "N2,b")),
    Case("quotation-mark-within-a-cell", text(HEADER, 'N1,"a"b')),
    Case("carriage-returns-alone", text(HEADER, "N1,a", "N2,b", end="\r")),
    Case("mixed-line-ends", lambda: b"merchant_code,name\r\nN1,a\nN2,b\rN3,c"),
    Case("semicolons", text("merchant_code;name", "N1;a")),
    Case("tabs", text("merchant_code\tname", "N1\ta")),
    Case("full-width-commas", text("商户编码，商户名称", "N1，张记")),
    Case("vertical-bars", text("merchant_code|name", "N1|a")),
    Case("separator-named-above", text("sep=,", HEADER, "N1,a")),
    Case("trailing-empty-columns", text(HEADER + "," * 3000, "N1,a" + "," * 3000)),
    Case("50000-columns", text(",".join(f"c{number}" for number in range(50_000)), "1")),
    Case("one-line-of-70-megabytes", lambda: b"merchant_code,name\nN1," + b"x" * 70 * 1024 * 1024),
    Case("cell-of-20000-characters", text(HEADER, f"N1,{'x' * 20_000}")),
    Case("cell-of-200000-characters", text(HEADER, f"N1,{'x' * 200_000}")),
    Case("more-rows-than-a-ledger-has", lambda: b"merchant_code,name\n" + b"N,a\n" * 200_001),
    Case("header-twice", text("merchant_code,name,name", "N1,a,b")),
    Case("header-twice-in-two-languages", text("merchant_code,name,商户名称", "N1,a,b")),
    Case("header-misspelt", text("merchant_cod,name", "N1,a")),
    Case("header-empty-above-cells", text("merchant_code,,name", "N1,x,a")),
    Case("title-above-the-header", text("2026年商户台账,,", ",,", "商户编码,商户名称,联系电话", "N1,张记,")),
    Case("no-header", text("N1,张记", "N2,李记")),
    Case("sheet-of-another-noun", text("device_no,model_no,site_no", "D1,ACS-15,000123")),
)
