{# The HMAC key as its padded inner and outer form: bytes that the session holds, never the SQL.
   Unset variables make every pseudonym NULL, so the key tests fail and nothing is told. #}
{% macro privacy_inner_pad() -%}
    {{ return(adapter.dispatch('privacy_inner_pad', 'grounded')()) }}
{%- endmacro %}

{% macro duckdb__privacy_inner_pad() -%}
    getvariable('privacy_ipad')
{%- endmacro %}

{% macro privacy_outer_pad() -%}
    {{ return(adapter.dispatch('privacy_outer_pad', 'grounded')()) }}
{%- endmacro %}

{% macro duckdb__privacy_outer_pad() -%}
    getvariable('privacy_opad')
{%- endmacro %}
