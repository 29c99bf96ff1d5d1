{% macro mask_phone(column) -%}
    privacy.mask_phone({{ column }})
{%- endmacro %}

{% macro duckdb__mask_phone(phone) -%}
    case
        when length(regexp_replace(cast({{ phone }} as varchar), '\D', '', 'g')) >= 7
            then '*****' || right(regexp_replace(cast({{ phone }} as varchar), '\D', '', 'g'), 2)
    end
{%- endmacro %}
