{# The schemas of a database. dbt names it in quotes, which dbt-duckdb's own macro compares as a part of
   the name: no schema is ever there, and each run makes them all again. #}
{% macro duckdb__list_schemas(database) -%}
    {%- set query -%}
        select schema_name
        from information_schema.schemata
        {%- if database is not none %}
        where lower(catalog_name) = '{{ database | lower | replace('"', '') }}'
        {%- endif %}
    {%- endset -%}
    {{ return(run_query(query)) }}
{%- endmacro %}
