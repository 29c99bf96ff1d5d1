{% macro nulled(column) -%}
    privacy.nulled({{ column }})
{%- endmacro %}

{# Written so that it keeps the type of its column. #}
{% macro default__nulled(value) -%}
    case when 1 = 0 then {{ value }} end
{%- endmacro %}
