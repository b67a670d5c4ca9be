"""A ledger with something in every column of every noun, as sheets in the order in which they are imported."""

from pathlib import Path
from typing import Any, Final

from psycopg import Connection

from fleet.acting import Actor, acting
from fleet.keys import Keys
from fleet.ledger.imports import import_sheet
from fleet.ledger.report import Noun

TESTER: Final = Actor("tester", "tests")

FULL: Final[dict[Noun, str]] = {
    "regions": (
        "region_code,name_zh,name_en,parent_code,valid_from,valid_to\n"
        "410000,河南省,Henan,,,\n"
        "410100,郑州市,Zhengzhou,410000,,\n"
        "410105,金水区,Jinshui,410100,,\n"
        "410728,长垣县,Changyuan,410000,1980-01-01,2019-08-16\n"
    ),
    "code_profiles": (
        "region_code,subject,version,pattern,segments,verified,source,valid_from,valid_to\n"
        "4102,site,2,[0-9]{9}|ZZ[0-9]{3},region 1-6; serial 7-9,yes,某文件,2020-01-01,2031-01-01\n"
    ),
    "sites": (
        "site_no,name_zh,name_en,kind,region_code,address,lat,lon,credit_code,status,opening_hours\n"
        "000123,金水市场,Jinshui,菜市场,410105,文化路1号,34.7657,-113.66,91350100M000100Y43,active,每天 06:00-18:00\n"
        "000124,'=北门市场,'-North,超市,410105,,-0.5,,,suspended,1-5 06:00-12:30; 6 22:00-02:00\n"
    ),
    "closures": (
        "site_no,begins_on,ends_on,kind,reason,document\n"
        '000123,2026-02-16,2026-02-22,holiday,"春节, ""放假""",停业报备〔2026〕3号\n'
    ),
    "merchants": (
        "merchant_code,name,credit_code,status,contact_name,phone,identity_no\n"
        "000000000000000012,'@张记鲜肉,91350100M000100Y43,active,李红,13800138000,11010519491231002X\n"
        "000000000000000013,-5,,suspended,'+8613800138000,,\n"
    ),
    "memberships": (
        "site_no,merchant_code,stall_no\n000123,000000000000000012,A-1\n000123,000000000000000012,\n"
        "000124,000000000000000013,-7\n"
    ),
    "parties": (
        "party_no,name,kind,site_no,merchant_code,credit_code,contact_name,phone\n"
        "P-1,商务局,government,,,91350100M000100Y43,王强,0371-65566556\n"
        "P-2,市场方,site,000123,,,,13800138001\n"
        "P-3,张记,merchant,,000000000000000012,,,\n"
    ),
    "models": (
        "model_no,kind,vendor,name,service_life_months,min_firmware,support_ends_on,transport_security,withdrawn_on\n"
        "ACS-15,trace_scale,某某衡器,'=15 kg,72,2.4.0,2030-12-31,tls,2028-01-01\n"
        "GW-1,网关,V,,,,,,\n"
    ),
    "registration_gates": "kind,acquired_after,policy,basis\nscanner,2020-01-01,warn,某通知\n",
    "devices": (
        "device_no,model_no,name,factory_no,mac,imei,iccid,hardware_version,firmware,photo_sha256,asset_no,"
        "asset_class_standard,asset_class_code,owner_type,fund_source,contract_no,supplier,acquired_on,accepted_on,"
        "original_value_yuan,depreciation_months,warranty_until,min_service_months,site_no,stall_no,merchant_code,"
        "address,lat,lon,storage_place,custodian,custodian_phone,installer,installed_on,type_approval_no,"
        "accuracy_class,max_g,min_g,interval_g,seal_no,verification_no,verification_body,verification_rule,"
        "verified_on,verified_until,verification_result,is_fair_scale,protocol,sim_plan,gateway_no,state,"
        "state_reason,commissioned_on,exemption_document\n"
        "GW-0001,GW-1,,,,,,,,,,,,,,,,,,,,,,000123,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,\n"
        "'-0001,ACS-15,秤,000456,A4:CF:12:00:3B:07,490154203237518,89860012345678901234,B2,2.4.1,"
        f"{'ab' * 32},0001,GB/T 14885-2010,2100701,government,central_subsidy,HT-1,供应商,2018-06-01,2018-06-20,"
        "3600.5,60,2020-06-19,72,000123,A-1,000000000000000012,"
        "文化路1号,34.12345678901234,-113.5,库,王强,13800138000,安装队,2018-06-25,2016F123-41,"
        "III,15000,100,5,QF-1,JL-1,计量所,JJG 539-2016,"
        "2026-03-01,2027-02-28,passed,是,MQTT 5,100 MB,GW-0001,in_service,"
        "'＝原因,2018-07-01,豫商函〔2019〕12号\n"
    ),
    "responsibilities": "device_no,duty,party_no\n'-0001,operation,P-1\nGW-0001,custody,P-2\n",
}


def fill(connection: Connection[Any], folder: Path) -> Keys:
    """Import all of it; the keys that its personal data is sealed with."""
    keys = Keys(folder / "key")
    for noun, text in FULL.items():
        with acting(connection, TESTER, keys=keys):
            report = import_sheet(connection, noun, text.encode(), apply=True, keys=keys)
        assert report.errors == (), (noun, report.errors)
    return keys
