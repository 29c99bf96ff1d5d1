{# The tables that tell what changed, in the schema `changes`:

   loads       each dlt load that rows of a raw table are of, numbered as they were first seen
   models      a row per keyed model: `generation` names the build that made it whole, `last_seq` the
               last merge, `first_seq` the first of which the keys are still known
   positions   how far each model has followed what it is made of
   <model>     the keys of each merge, and what else models downstream follow by, before and after
   masks       a hash of the statements that made the masks, and one of the masks as they are then

   It runs before each build. A half-merged load has rows and no entry in dlt's own table of loads,
   so that the raw tables themselves are asked; but by who has seen each load end well since then, and
   names the tables that were `loaded`. #}
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
    create table if not exists changes.masks (fingerprint varchar, bodies varchar);
    {%- if execute and flags.WHICH != 'compile' %}
    {%- set loaded = var('loaded', none) -%}
    {%- if loaded is none -%}
        {%- set raw = run_query(
            "select schema_name || '.' || table_name from duckdb_columns() where column_name = '_dlt_load_id'"
        ).columns[0].values() -%}
    {%- endif %}
    {%- for source in graph.sources.values() if keyed_raw_table(source) in (raw if loaded is none else loaded) %}
    insert into changes.loads
    with found as (
        {%- if loaded is none %}
        select distinct _dlt_load_id as load_id from {{ keyed_relation(source) }}
        where _dlt_load_id is not null
        {%- else %}
        select load_id from {{ adapter.quote(source.schema) }}._dlt_loads where status = 0
        {%- endif %}
    )
    select
        '{{ keyed_raw_table(source) }}',
        load_id,
        row_number() over (order by load_id) + (
            select coalesce(max(number), 0) from changes.loads
            where table_name = '{{ keyed_raw_table(source) }}'
        )
    from found
    where load_id not in (
        select load_id from changes.loads where table_name = '{{ keyed_raw_table(source) }}'
    );
    {%- endfor %}
    {%- endif %}
{%- endmacro %}

{# All that has to be known of a model before it is made, asked at once:

   `is_table`     there is a table of its name
   `fingerprint`  a hash of what its rows are made by: its own SQL and that of the views below it as they
                  are in the warehouse, what is declared of it, the masks that are there, the key and the
                  engine. Nothing is read from files: they may have changed since they were parsed
   `held`         the fingerprint that the rows in the table were made by
   `leaves`       what it is made of, and `at`: how far it has followed each of them
   `has_moved`    there is something that it has not followed yet; what nothing is known of moves with
                  each build #}
{% macro keyed_look(node, declared) -%}
    {%- set inputs = keyed_inputs(node, declared) -%}
    {%- set views_below = keyed_views(node) -%}
    {%- set query -%}
        with leaves(input, generation, position, first_seq) as (
            select 'day', cast(current_date as varchar), 0, 0
            {%- for leaf in inputs if leaf.kind != 'unknown' %}
            union all
            {%- if leaf.kind == 'model' %}
            select '{{ leaf.name }}', generation, last_seq, first_seq
            from changes.models where name = '{{ leaf.name }}'
            {%- else %}
            select
                '{{ leaf.name }}',
                case when count(*) = 0 then '{{ invocation_id }}' else '' end,
                coalesce(max(number), 0),
                0
            from changes.loads where table_name = '{{ leaf.name }}'
            {%- endif %}
            {%- endfor %}
        )
        select
            exists (
                select 1 from duckdb_tables()
                where
                    database_name = current_database()
                    and schema_name = '{{ node.schema }}' and table_name = '{{ node.alias }}'
            ),
            {%- if views_below %}
            (
                select string_agg(sql, chr(10) order by schema_name, view_name)
                from duckdb_views()
                where
                    not internal
                    and schema_name || '.' || view_name in ('{{ views_below | join("', '") }}')
            ),
            {%- else %}
            null,
            {%- endif %}
            (select fingerprint || bodies from changes.masks),
            getvariable('privacy_key_id'),
            version(),
            (select fingerprint from changes.models where name = '{{ node.name }}'),
            leaves.input,
            held.position as after,
            coalesce(
                held.generation = leaves.generation and leaves.first_seq <= held.position + 1, false
            ) as is_known,
            coalesce(
                held.generation = leaves.generation and leaves.position = held.position, false
            ) as is_same
        from leaves
        left join changes.positions as held
            on held.name = '{{ node.name }}' and held.input = leaves.input
    {%- endset -%}
    {%- set rows = keyed_rows(query) -%}
    {%- set is_table, views, functions, key_id, engine, held = rows[0][:6] -%}
    {%- set text = compiled_code ~ '\n' ~ views -%}
    {%- set leaves = inputs + keyed_asked(text) -%}
    {%- set parts = [
        text,
        tojson(
            [node.description, node.columns, node.config.get('meta', {}), declared.kept], sort_keys=true
        ),
        functions,
        key_id,
        engine,
    ] -%}
    {%- set at = {} -%}
    {%- for row in rows -%}
        {%- set input, after, is_known, is_same = row[6:] -%}
        {%- do at.update({input: {'after': after, 'is_known': is_known, 'is_same': is_same}}) -%}
    {%- endfor -%}
    {%- set moved = [] -%}
    {%- for leaf in leaves -%}
        {%- do at.setdefault(leaf.name, {'is_known': false, 'is_same': false}) -%}
        {%- if not at[leaf.name].is_same -%}{%- do moved.append(leaf.name) -%}{%- endif -%}
    {%- endfor -%}
    {{ return({
        'is_table': is_table,
        'fingerprint': local_md5(parts | join('\n')),
        'held': held,
        'leaves': leaves,
        'at': at,
        'has_moved': moved | length > 0,
    }) }}
{%- endmacro %}

{# The views, and those below them, that a model reads: `schema.name`. #}
{% macro keyed_views(node) -%}
    {%- set views = [] -%}
    {%- for id in node.depends_on.nodes if id in graph.nodes -%}
        {%- set input = graph.nodes[id] -%}
        {%- if input.config.materialized == 'view' -%}
            {%- do views.append(input.schema ~ '.' ~ input.alias) -%}
        {%- endif -%}
        {%- if input.config.materialized in ('view', 'ephemeral') -%}
            {%- do views.extend(keyed_views(input)) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(views | unique | sort) }}
{%- endmacro %}

{% macro keyed_rows(query) -%}
    {%- call statement('keyed', fetch_result=True) -%}{{ query }}{%- endcall -%}
    {{ return(load_result('keyed')['data']) }}
{%- endmacro %}

{% macro keyed_run(statements) -%}
    {%- call statement('keyed') -%}{{ statements }}{%- endcall -%}
{%- endmacro %}

{# What says how far the model has come. #}
{% macro keyed_noting(node, leaves) -%}
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
    {{ return(statements) }}
{%- endmacro %}

{# Whether the masks in the warehouse were made by statements of this hash, and nobody has made others
   in their place; asked outside a transaction, which nobody would commit. #}
{% macro are_functions_made(fingerprint) -%}
    {%- set query -%}
        select 1 from changes.masks
        where fingerprint = '{{ fingerprint }}' and bodies = ({{ functions_as_they_are() }})
    {%- endset -%}
    {{ return(run_query(query).rows | length > 0) }}
{%- endmacro %}

{% macro note_functions_made(fingerprint) -%}
    delete from changes.masks;
    insert into changes.masks select '{{ fingerprint }}', ({{ functions_as_they_are() }});
{%- endmacro %}

{# The engine writes lambdas and types in another way once it has read a function back from the file. #}
{% macro functions_as_they_are() -%}
    select md5(string_agg(
        concat_ws(' ', schema_name, function_name, parameters, body),
        chr(10) order by schema_name, function_name, parameters::varchar, body
    ))
    from (
        select
            schema_name,
            function_name,
            parameters,
            regexp_replace(
                regexp_replace(
                    replace(macro_definition, '"', ''), '\(lambda ([^:]+): ', '(\1 -> ', 'g'
                ),
                '\(row\(([^()]+)\) -> ', '(\1 -> ', 'g'
            ) as body
        from duckdb_functions()
        where database_name = current_database() and schema_name in ('privacy', 'redaction')
    ) as functions
{%- endmacro %}
