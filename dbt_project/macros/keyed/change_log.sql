{# The tables that tell what changed, in the schema `changes`:

   loads       each dlt load that rows of a raw table are of, numbered as they were first seen
   models      a row per keyed model: `generation` names the build that made it whole, `last_seq` the
               last merge, `first_seq` the first of which the keys are still known
   positions   how far each model has followed what it is made of
   <model>     the keys of each merge, and what else models downstream follow by, before and after
   functions   the fingerprint of the project that the masks are of

   It runs before each build. A half-merged load has rows and no entry in dlt's own table of loads,
   so that the raw tables themselves are asked. #}
{% macro create_change_log() -%}
    {{ return(adapter.dispatch('create_change_log', 'grounded')()) }}
{%- endmacro %}

{% macro duckdb__create_change_log() -%}
    create schema if not exists changes;
    create table if not exists changes.loads (table_name varchar, load_id varchar, number bigint);
    create table if not exists changes.models (
        name varchar, generation varchar, first_seq bigint, last_seq bigint, fingerprint varchar
    );
    create table if not exists changes.positions (
        name varchar, input varchar, generation varchar, position bigint
    );
    create table if not exists changes.functions (fingerprint varchar);
    {%- if execute and flags.WHICH != 'compile' %}
    {%- set raw = run_query(
        "select schema_name || '.' || table_name from duckdb_columns() where column_name = '_dlt_load_id'"
    ).columns[0].values() %}
    {%- for source in graph.sources.values() if keyed_name(source) in raw %}
    insert into changes.loads
    with found as (
        select distinct _dlt_load_id as load_id from {{ keyed_relation(source) }}
        where _dlt_load_id is not null
    )
    select
        '{{ keyed_name(source) }}',
        load_id,
        row_number() over (order by load_id) + (
            select coalesce(max(number), 0) from changes.loads
            where table_name = '{{ keyed_name(source) }}'
        )
    from found
    where load_id not in (
        select load_id from changes.loads where table_name = '{{ keyed_name(source) }}'
    );
    {%- endfor %}
    {%- endif %}
{%- endmacro %}

{# Where the model and all that it is made of stand. `is_other`: what the table holds was made by
   another project. `has_moved`: there is something that it has not followed yet. #}
{% macro keyed_state(node, leaves) -%}
    {%- set query -%}
        with leaves(input, generation, position, first_seq) as (
            {%- for leaf in leaves %}
            {% if not loop.first %}union all{% endif %}
            {%- if leaf.kind == 'model' %}
            select '{{ leaf.name }}', generation, last_seq, first_seq
            from changes.models where name = '{{ leaf.name }}'
            {%- elif leaf.kind == 'raw' %}
            select '{{ leaf.name }}', '', coalesce(max(number), 0), 0
            from changes.loads where table_name = '{{ leaf.name }}'
            {%- elif leaf.kind == 'day' %}
            select 'day', cast(current_date as varchar), 0, 0
            {%- else %}
            select '{{ leaf.name }}', '{{ invocation_id }}', 0, 0
            {%- endif %}
            {%- endfor %}
        )
        select
            leaves.input,
            held.position as after,
            coalesce(
                held.generation = leaves.generation and leaves.first_seq <= held.position + 1, false
            ) as is_known,
            coalesce(
                held.generation = leaves.generation and leaves.position = held.position, false
            ) as is_same,
            (
                select fingerprint = {{ keyed_fingerprint() }} from changes.models
                where name = '{{ node.name }}'
            ) as is_ours
        from leaves
        left join changes.positions as held
            on held.name = '{{ node.name }}' and held.input = leaves.input
    {%- endset -%}
    {%- set found = {} -%}
    {%- set told = {'is_ours': false, 'has_moved': false} -%}
    {%- for input, after, is_known, is_same, is_ours in keyed_rows(query) -%}
        {%- do found.update({input: {'after': after, 'is_known': is_known, 'is_same': is_same}}) -%}
        {%- do told.update({'is_ours': is_ours}) -%}
        {%- if not is_same -%}{%- do told.update({'has_moved': true}) -%}{%- endif -%}
    {%- endfor -%}
    {{ return({
        'leaves': found, 'is_other': not told.is_ours, 'has_moved': told.has_moved,
    }) }}
{%- endmacro %}

{# What the rows were made with: the project's files, the privacy key and the engine, which the
   session was told, and the variables of this build. #}
{% macro keyed_fingerprint() -%}
    md5(getvariable('project_fingerprint') || '{{ invocation_args_dict.get("vars") | string | replace("'", "''") }}')
{%- endmacro %}

{% macro keyed_rows(query) -%}
    {%- call statement('keyed', fetch_result=True) -%}{{ query }}{%- endcall -%}
    {{ return(load_result('keyed')['data']) }}
{%- endmacro %}

{% macro keyed_run(statements) -%}
    {%- call statement('keyed') -%}{{ statements }}{%- endcall -%}
{%- endmacro %}

{# Say how far the model has come. #}
{% macro keyed_note(node, leaves) -%}
    {%- set statements -%}
        delete from changes.positions where name = '{{ node.name }}';
        {%- for leaf in leaves | unique(attribute='name') if leaf.kind != 'unknown' %}
        insert into changes.positions
        {%- if leaf.kind == 'model' %}
        select '{{ node.name }}', name, generation, last_seq
        from changes.models where name = '{{ leaf.name }}';
        {%- elif leaf.kind == 'raw' %}
        select '{{ node.name }}', '{{ leaf.name }}', '', coalesce(max(number), 0)
        from changes.loads where table_name = '{{ leaf.name }}';
        {%- else %}
        select '{{ node.name }}', 'day', cast(current_date as varchar), 0;
        {%- endif %}
        {%- endfor %}
    {%- endset -%}
    {%- do keyed_run(statements) -%}
{%- endmacro %}

{# Whether the masks in the warehouse are those of this project; asked outside a transaction, which
   nobody would commit. #}
{% macro are_functions_made() -%}
    {%- set query = 'select 1 from changes.functions where fingerprint = ' ~ keyed_fingerprint() -%}
    {{ return(run_query(query).rows | length > 0) }}
{%- endmacro %}

{% macro note_functions_made() -%}
    delete from changes.functions;
    insert into changes.functions values ({{ keyed_fingerprint() }});
{%- endmacro %}
