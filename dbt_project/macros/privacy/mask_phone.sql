{# The last two digits of a phone number, at a fixed width. Fewer than seven digits give NULL: of so
   short a number two digits would tell too much. #}
{% macro mask_phone(column) -%}
    {{ return(adapter.dispatch('mask_phone', 'grounded')(column)) }}
{%- endmacro %}

{% macro duckdb__mask_phone(column) -%}
    case
        when length(regexp_replace(cast({{ column }} as varchar), '\D', '', 'g')) >= 7
            then '*****' || right(regexp_replace(cast({{ column }} as varchar), '\D', '', 'g'), 2)
    end
{%- endmacro %}
