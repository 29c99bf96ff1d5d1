{# What personal data looks like, as RE2 patterns in the order in which they apply: what contains
   another kind (a URL its password, an IBAN its digits) goes first.
   RE2 has no look-around, so the neighbour of a phone number is captured and put back. A number
   that follows a letter, digit, `#`, `_` or `-` is part of a code and stays. #}
{% macro redaction_patterns() -%}
    {%- set gap %}[\s\p{Zs}().\-\x{2010}-\x{2015}/]{0,3}{% endset -%}
    {%- set before %}(^|[^\p{L}\p{N}_#\-]){% endset -%}

    {%- set url_with_credentials -%}
        (?i)\b[a-z][a-z0-9+.\-]*://(?:[^\s/@]*:[^\s/@]*@[^\s<>"]+|[^\s<>"]*[?&](?:access_token|api_?key|auth|key|pass|password|secret|sig|signature|token)=[^\s<>"]+)
    {%- endset -%}
    {%- set email -%}
        (?i)[\p{L}\p{N}][\p{L}\p{M}\p{N}._%+''’\-]*(?:@|\s?[\[(]at[\])]\s?)(?:[\p{L}\p{M}\p{N}\-]+(?:\.|\s?[\[(]dot[\])]\s?))+[\p{L}\p{N}\-]{2,}
    {%- endset -%}
    {%- set iban_in_groups -%}
        (?i)\b[a-z]{2}\d{2}[ \-][a-z0-9]{4}[ \-]\d{4}(?:[ \-][a-z0-9]{4}){0,5}(?:[ \-][a-z0-9]{1,3})?\b
    {%- endset -%}
    {%- set iban -%}
        (?i)\b[a-z]{2}\d{2}[a-z0-9]{4}\d{4}[a-z0-9]{3,22}\b
    {%- endset -%}
    {%- set card -%}
        \b(?:[2-6]\d{3}[ \-]?\d{4}[ \-]?\d{4}[ \-]?\d{4}(?:[ \-]?\d{3})?|3[47]\d{2}[ \-]?\d{6}[ \-]?\d{5}|3[0689]\d{2}[ \-]?\d{6}[ \-]?\d{4})\b
    {%- endset -%}
    {%- set ssn -%}
        \b\d{3}[ \-]\d{2}[ \-]\d{4}\b
    {%- endset -%}
    {%- set ipv4 -%}
        \b(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)\b
    {%- endset -%}
    {%- set ipv6 -%}
        (?i)\b(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}\b|\b(?:[0-9a-f]{1,4}:){1,6}(?::[0-9a-f]{1,4}){1,6}\b
    {%- endset -%}
    {%- set phone_international -%}
        {{ before }}\(?(?:\+|00)\s?\(?[1-9](?:{{ gap }}\d){6,14}
    {%- endset -%}
    {%- set phone_north_america -%}
        {{ before }}(?:1[ .\-])?\(?[2-9]\d{2}\)?[ .\-\x{2011}]?[2-9]\d{2}[ .\-\x{2011}]?\d{4}(?:\s?(?:x|ext\.?)\s?\d{1,5})?\b
    {%- endset -%}
    {%- set phone_trunk_zero -%}
        {{ before }}\(?0[1-9](?:(?:[ .\-]?\d{2}){4}|\d{0,3}\)?[ /.\-]?\d{3,4}(?:[ .\-]?\d{2,6}){1,3})\b
    {%- endset -%}
    {%- set phone_in_groups -%}
        {{ before }}(?:[6-9]\d{2} \d{3} \d{3}|\d{2} \d{3} \d{2} \d{2}|[6-9]\d{4}[ \-]\d{5}|\(\d{2,5}\)[ \-]?\d{3,5}[ \-]?\d{3,5})\b
    {%- endset -%}

    {{ return([
        (url_with_credentials, '<URL>'),
        (email, '<EMAIL>'),
        (iban_in_groups, '<IBAN>'),
        (iban, '<IBAN>'),
        (card, '<CARD>'),
        (ssn, '<SSN>'),
        (phone_international, '\\1<PHONE>'),
        (phone_north_america, '\\1<PHONE>'),
        (phone_trunk_zero, '\\1<PHONE>'),
        (phone_in_groups, '\\1<PHONE>'),
        (ipv4, '<IP>'),
        (ipv6, '<IP>'),
    ]) }}
{%- endmacro %}
