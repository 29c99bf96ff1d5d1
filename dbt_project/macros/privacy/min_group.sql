{# Behind a `group by`: leaves out groups of fewer people than the model's own
   `config.meta.serve.min_group.size`, so that the number has one home. `person` is a column that
   identifies a person; somebody with many rows counts once. #}
{% macro min_group(person) -%}
    having count(distinct {{ person }}) >= {{ min_group_size() }}
{%- endmacro %}

{# A unit test has no declaration and overrides this. #}
{% macro min_group_size() -%}
    {%- if not execute -%}
        {{ return(2) }}
    {%- endif -%}
    {%- set declared = model.config.get('meta', {}).get('serve', {}).get('min_group') -%}
    {%- if not declared -%}
        {{ exceptions.raise_compiler_error(
            "min_group: model " ~ model.name ~ " declares no config.meta.serve.min_group; "
            ~ "add `min_group: {size: 5, count: <its column that counts people>}`"
        ) }}
    {%- endif -%}
    {{ return(declared.size) }}
{%- endmacro %}
