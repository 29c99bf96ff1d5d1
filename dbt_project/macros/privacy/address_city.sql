{% macro address_city(column) -%}
    privacy.address_city({{ column }})
{%- endmacro %}

{% macro duckdb__address_city(address) -%}
    nullif(
        regexp_extract({{ clean_text(address) }}, '^[\p{L}][\p{L}\p{M} .''’()/-]{0,59}$'),
        ''
    )
{%- endmacro %}
