{% macro pseudonym(column, class, prefix=none) -%}
    {%- if not modules.re.fullmatch('[a-z_]+', class) -%}
        {{ exceptions.raise_compiler_error("pseudonym: a class is [a-z_]+, not '" ~ class ~ "'") }}
    {%- endif -%}
    privacy.pseudonym({{ column }}, '{{ class }}', '{{ prefix or class[:3] }}')
{%- endmacro %}

{% macro default__pseudonym(value, class, prefix) -%}
    {{ prefix }} || '_' || left(
        privacy.keyed_hash({{ class }} || ':' || {{ clean_text(value) }}), 32
    )
{%- endmacro %}
