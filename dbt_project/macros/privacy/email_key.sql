{# The pseudonym of an e-mail address; spellings that differ in case or outer white space join. #}
{% macro email_key(column) -%}
    {{ return(adapter.dispatch('email_key', 'grounded')(column)) }}
{%- endmacro %}

{% macro default__email_key(column) -%}
    {{ pseudonym('lower(' ~ clean_text(column) ~ ')', 'email', 'eml') }}
{%- endmacro %}
