{# Every mask is a SQL function in the schema `privacy`, so that what runs is one artifact that a
   proof can name. `<mask>(...)` in a model compiles to the call `privacy.<mask>(...)`; the body is
   `<adapter>__<mask>`, here given the function's own parameters in place of columns.
   A function may call those above it. None holds a key: the session does. #}
{% macro privacy_functions() -%}
    {{ return([
        ('keyed_hash', ['message']),
        ('pseudonym', ['value', 'class', 'prefix']),
        ('email_key', ['email']),
        ('phone_key', ['phone']),
        ('format_key', ['value', 'class']),
        ('email_domain', ['email']),
        ('mask_phone', ['phone']),
        ('mask_name', ['name']),
        ('address_city', ['address']),
        ('age_band', ['birth_date', 'today']),
        ('bucket_number', ['number', 'width']),
        ('days_of_person', ['person']),
        ('shift_date', ['moment', 'person']),
        ('shift_timestamp', ['moment', 'person']),
        ('nulled', ['value']),
        ('redact', ['text', 'names', 'emails', 'phones', 'addresses']),
    ]) }}
{%- endmacro %}

{# The statements that make all functions; they run before each build, and take a second, so that
   nothing is done where the same statements have made them. #}
{% macro create_privacy_functions() -%}
    {{ return(adapter.dispatch('create_privacy_functions', 'grounded')()) }}
{%- endmacro %}

{% macro duckdb__create_privacy_functions() -%}
    {#- Of a project that is parsed once and run again and again, they need not be written again; nor
        looked at, while nobody else can have opened the warehouse. -#}
    {%- set made = var('made_masks', '') -%}
    {%- if execute and flags.WHICH != 'compile' and made -%}
        {%- if var('are_masks_looked_at', false) or are_functions_made(made) -%}
            {{ return('select 1') }}
        {%- endif -%}
    {%- endif -%}
    {#- Under another name, as dbt's parser takes `adapter.dispatch` with constants alone. -#}
    {%- set body_of = adapter.dispatch -%}
    {%- set statements -%}
    create schema if not exists privacy;
    {{ redaction_functions() }}
    {%- for name, parameters in privacy_functions() %}
    create or replace function privacy.{{ name }}({{ parameters | join(', ') }}) as (
        {{ body_of(name, 'grounded')(*parameters) }}
    );
    {%- endfor %}
    {%- endset -%}
    {%- set fingerprint = local_md5(statements) -%}
    {#- A project is compiled without a look into the warehouse. -#}
    {%- if not execute or flags.WHICH == 'compile' -%}
        {{ return(statements) }}
    {%- elif are_functions_made(fingerprint) -%}
        {{ return('select 1') }}
    {%- endif -%}
    {{ return(statements ~ note_functions_made(fingerprint)) }}
{%- endmacro %}
