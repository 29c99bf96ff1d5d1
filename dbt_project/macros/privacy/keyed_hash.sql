{# HMAC-SHA256 with the privacy key, whose padded inner and outer form are bytes that the session
   holds, never the SQL. Unset variables make every pseudonym NULL, so the key tests fail and
   nothing is told. #}
{% macro duckdb__keyed_hash(message) -%}
    sha256(
        getvariable('privacy_opad')
        || unhex(sha256(getvariable('privacy_ipad') || encode({{ message }})))
    )
{%- endmacro %}
