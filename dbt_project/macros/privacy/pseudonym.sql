{# A keyed pseudonym: 128 bits of HMAC-SHA256 over the class and the value, as hex after a readable
   prefix. Equal values of one class join; the same text in two classes does not. #}
{% macro pseudonym(column, class, prefix=none) -%}
    {{ return(adapter.dispatch('pseudonym', 'grounded')(column, class, prefix or class[:3])) }}
{%- endmacro %}

{% macro duckdb__pseudonym(column, class, prefix) -%}
    '{{ prefix }}_' || left(
        sha256(
            {{ privacy_outer_pad() }} || unhex(
                sha256(
                    {{ privacy_inner_pad() }}
                    || encode('{{ class }}:' || {{ clean_text(column) }})
                )
            )
        ),
        32
    )
{%- endmacro %}
