{# A column as the adapter's JSON type; NULL where it is no JSON. #}
{% macro as_json(column) -%}
    {{ return(adapter.dispatch('as_json', 'grounded')(column)) }}
{%- endmacro %}

{% macro duckdb__as_json(column) -%}
    try_cast({{ column }} as json)
{%- endmacro %}

{# Joins each element of a JSON array as a row `<alias>.position` (from 1) and `<alias>.element`.
   What is no array has no rows. #}
{% macro cross_join_json_array(column, alias) -%}
    {{ return(adapter.dispatch('cross_join_json_array', 'grounded')(column, alias)) }}
{%- endmacro %}

{% macro duckdb__cross_join_json_array(column, alias) -%}
    cross join lateral (
        select
            cast(entry.key as bigint) + 1 as position,
            entry.value as element
        from json_each(
            case when json_type({{ column }}) = 'ARRAY' then {{ column }} end
        ) as entry
    ) as {{ alias }}
{%- endmacro %}

{# One field of a JSON object as `type`; NULL where it is missing or does not fit. #}
{% macro json_field(column, field, type) -%}
    {{ return(adapter.dispatch('json_field', 'grounded')(column, field, type)) }}
{%- endmacro %}

{% macro duckdb__json_field(column, field, type) -%}
    try_cast(json_extract_string({{ column }}, '$.{{ field }}') as {{ type }})
{%- endmacro %}
