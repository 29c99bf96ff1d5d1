{% macro email_domain(column) -%}
    privacy.email_domain({{ column }})
{%- endmacro %}

{% macro duckdb__email_domain(email) -%}
    nullif(
        regexp_extract(
            lower({{ clean_text(email) }}),
            '^[^@\s]+@((?:[\p{L}\p{N}-]+\.)+[\p{L}\p{N}-]{2,})$', 1
        ),
        ''
    )
{%- endmacro %}
