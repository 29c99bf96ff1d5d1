{% macro pseudonym(column, class, prefix=none) -%}
    privacy.pseudonym(
        {{- column }}, '{{ class_name('pseudonym', class) }}', '{{ prefix or class[:3] }}')
{%- endmacro %}

{% macro default__pseudonym(value, class, prefix) -%}
    {{ prefix }} || '_' || left(
        privacy.keyed_hash({{ class }} || ':' || {{ clean_text(value) }}), 32
    )
{%- endmacro %}

{# The class under which values of one kind are hashed: with `:` in it two classes could meet. #}
{% macro class_name(mask, class) -%}
    {%- if not modules.re.fullmatch('[a-z_]+', class) -%}
        {{ exceptions.raise_compiler_error(mask ~ ": a class is [a-z_]+, not '" ~ class ~ "'") }}
    {%- endif -%}
    {{ return(class) }}
{%- endmacro %}
