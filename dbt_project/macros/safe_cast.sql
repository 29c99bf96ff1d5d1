{# What `dbt.safe_cast` means on DuckDB: NULL where the value does not fit, as a failed cast would
   write the value into logs and run results. #}
{% macro duckdb__safe_cast(field, type) -%}
    try_cast({{ field }} as {{ type }})
{%- endmacro %}
