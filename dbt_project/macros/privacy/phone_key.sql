{% macro phone_key(column) -%}
    privacy.phone_key({{ column }})
{%- endmacro %}

{% macro duckdb__phone_key(phone) -%}
    privacy.pseudonym(
        regexp_replace(cast({{ phone }} as varchar), '\D', '', 'g'), 'phone', 'tel'
    )
{%- endmacro %}
