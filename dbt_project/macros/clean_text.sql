{# A text without white space around it, in Unicode's composed form; NULL where nothing is left. #}
{% macro clean_text(column) -%}
    {{ return(adapter.dispatch('clean_text', 'grounded')(column)) }}
{%- endmacro %}

{% macro default__clean_text(column) -%}
    nullif(trim({{ column }}), '')
{%- endmacro %}

{% macro duckdb__clean_text(column) -%}
    nullif(
        regexp_replace(
            nfc_normalize(cast({{ column }} as varchar)),
            '^[\s\p{Z}\p{Cc}]+|[\s\p{Z}\p{Cc}]+$', '', 'g'
        ),
        ''
    )
{%- endmacro %}
