"""Names of fields that promise personal data, or free text, which may hold some."""

from __future__ import annotations

import re
from functools import lru_cache

WORDS = """
name surname forename firstname lastname fullname nickname username
reporter caller citizen resident person people petitioner complainant applicant author sender
contact owner victim witness
phone phonenumber telephone tel mobile mobilephone cell cellphone fax
email mail wechat weixin qq weibo account
address home residence household room plate ip
idcard idnumber identity passport ssn gender sex age birth birthday birthdate dob
nationality ethnicity religion party
text title subject summary description desc message content body detail details
comment note notes remark remarks memo
photo photos picture pictures image images video audio voice recording
file files attachment attachments signature
"""
ENGLISH = frozenset(WORDS.split())
CHINESE = re.compile(
    "姓名|名字|称呼|电话|手机|邮箱|邮件|微信|地址|住址|身份证|证件|性别|年龄|生日|民族|"
    "描述|内容|备注|照片|图片|视频|录音|附件|签名"
)
PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")


@lru_cache(maxsize=1024)
def is_personal(key: str) -> bool:
    """Tell if the name of a field promises personal data, in English or Chinese.

    One of its parts does, or all of them together.
    """
    parts = [part.lower() for part in PART.findall(key)]
    return not ENGLISH.isdisjoint([*parts, "".join(parts)]) or CHINESE.search(key) is not None
