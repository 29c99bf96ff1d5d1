{# Schemas are named exactly as configured: `agents`, and not `main_agents`. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
