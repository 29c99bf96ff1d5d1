"""What is hidden for its form alone, with valid and with broken checksums, and what is not."""

import pytest

from tests.redaction.conftest import Redact


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("IBAN GB82 WEST 1234 5698 7654 32 please", "IBAN <IBAN> please"),
        ("my iban is de89370400440532013000.", "my iban is <IBAN>."),
        ("MT84 MALT 0110 0001 2345 MTLC AST0 01S", "<IBAN>"),
        ("4111 1111 1111 1111 123", "<CARD>"),
        ("6011000990139424, 30569309025904 and 3530111333300000", "<CARD>, <CARD> and <CARD>"),
        ("my card 4111 1111 1111 1112 is lost", "my card <CARD> is lost"),
        ("SSN: 219 09 9999; ssn 219099999", "SSN: <SSN>; ssn <SSN>"),
        ("Steuer-ID 86 095 742 719", "Steuer-ID <NATIONAL_ID>"),
        ("NIR 2 55 08 14 168 025 38", "NIR <NATIONAL_ID>"),
        ("DNI 12345678Z, NIE X1234567L", "DNI <NATIONAL_ID>, NIE <NATIONAL_ID>"),
        ("codice RSSMRA85T10A562S", "codice <NATIONAL_ID>"),
        ("BSN 111222333", "BSN <NATIONAL_ID>"),
        ("PESEL: 44051401359", "PESEL: <NATIONAL_ID>"),
        ("SIN 130-692-544 or 130-692-544", "SIN <NATIONAL_ID> or <NATIONAL_ID>"),
        ("CPF 529.982.247-25", "CPF <NATIONAL_ID>"),
        ("Aadhaar 2341 2341 2346", "Aadhaar <NATIONAL_ID>"),
        ("NINO AB 12 34 56 C", "NINO <NATIONAL_ID>"),
        ("PAN ABCPE1234F", "PAN <NATIONAL_ID>"),
        ("from 203.0.113.9:443 and 2001:db8::ff00:42:8329", "from <IP>:443 and <IP>"),
        ("see https://jane.example-blog.net/about!", "see <URL>!"),
        ("www.jane-doe.org is mine", "<URL> is mine"),
        ("postgres://app@db/x", "<URL>"),
        ("key AKIAIOSFODNN7EXAMPLE.", "key <SECRET>."),
        ("ghp_" + "a1" * 18, "<SECRET>"),
        ("Authorization: Bearer abc.def-123456789", "Authorization: Bearer <SECRET>"),
        ('api_key="x8Kq2mPz91LwQe7R"', 'api_key="<SECRET>"'),
        ("password: hunter22", "password: <SECRET>"),
        (
            "a -----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY----- b",
            "a <SECRET> b",
        ),
        ("born on 2/8/1935, since 12/1/1981", "born on <BIRTH_DATE>, since 12/1/1981"),
        ("geboren am 3. März 1980", "geboren am <BIRTH_DATE>"),
        ("Date of birth: 1980-03-01", "Date of birth: <BIRTH_DATE>"),
        ("né le 1er mai 1970", "né le <BIRTH_DATE>"),
        ("at 12 Baker Street, London", "at <ADDRESS>, London"),
        ("Hauptstraße 5, 10115 Berlin", "<ADDRESS>"),
        ("P.O. Box 287", "<ADDRESS>"),
        ("SW1A 1AA", "<ADDRESS>"),
        ("Springfield, IL 62704", "<ADDRESS>"),
        ("12 rue de la Paix", "<ADDRESS>"),
        ("call me on 450 0840, please", "call me on <PHONE>, please"),
        ("Tel. 0151/23456789 or +49 (0)30 123456", "Tel. <PHONE> or <PHONE>"),
        ("电话13800138000 or +8613800138000", "电话<PHONE> or <PHONE>"),
        ("(579)888-3058 fax", "<PHONE> fax"),
        ("020 7946 0958/020 7946 0958", "<PHONE>/<PHONE>"),
        ("Jane at jane.doe (at) example (dot) com", "Jane at <EMAIL>"),
        ("git@github.com:org/repo.git", "git@github.com:org/repo.git"),
    ],
)
def test_personal_data_is_hidden_by_its_form(text: str, expected: str, redact: Redact) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",
        "GB82 WEST 1234 5698 7654 33",
        "12345678A",
        "130-692-545",
        "529.982.247-26",
        "2341 2341 2347",
        "EAN 4006381333931, ISBN 978-3-16-148410-0",
        "2026-03-01T12:00:00.123456Z 10:30:15 01.02.2024",
        "order 1000000012345, ORD-2026-000123456, #202-555-0143",
        "version 10.2.3.4, v1.2.3.4, 127.0.0.1, 10.0.0.0/8",
        "sum(rate(http_requests_total[5m])) by (job) > 0.5 for 10m",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "1,299.00 EUR, 12 x 345.50, 1 200 300 pieces",
        "https://kubernetes.io/docs/tasks/ and http://localhost:9093/",
        "password: <your password>, token: $TOKEN, secretName: my-secret",
        "call us about order number 1002345",
        "std::vector and 10::20, 3 Way merge, String 5",
    ],
)
def test_codes_prices_and_instants_stay(text: str, redact: Redact) -> None:
    assert redact(text) == text


def test_what_stands_behind_a_nul_is_kept_and_hidden(redact: Redact) -> None:
    text = "é\x00 Ana Silva, jane@example.com, the end"
    assert redact(text, names=["Ana Silva"]) == "é  <PERSON_1>, <EMAIL>, the end"
