{# The domain of a well-formed e-mail address in lower case; NULL for anything else. A domain that
   one person owns still names that person. #}
{% macro email_domain(column) -%}
    {{ return(adapter.dispatch('email_domain', 'grounded')(column)) }}
{%- endmacro %}

{% macro duckdb__email_domain(column) -%}
    nullif(
        regexp_extract(
            lower({{ clean_text(column) }}),
            '^[^@\s]+@((?:[\p{L}\p{N}-]+\.)+[\p{L}\p{N}-]{2,})$', 1
        ),
        ''
    )
{%- endmacro %}
