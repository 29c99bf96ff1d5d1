{# Make the whole table, and a change log that knows of nothing yet. #}
{% macro keyed_replace(existing, target, declared, fingerprint) -%}
    {%- do drop_relation_if_exists(existing) -%}
    {%- call statement('main') -%}
        {{ create_table_as(False, target, compiled_code) }}
    {%- endcall -%}
    {%- set statements -%}
        create or replace table changes.{{ adapter.quote(model.name) }} as
        select cast(0 as bigint) as seq, {{ declared.kept | join(', ') }} from {{ target }} limit 0;
        delete from changes.models where name = '{{ model.name }}';
        insert into changes.models
        values ('{{ model.name }}', cast(uuid() as varchar), 1, 0, '{{ fingerprint }}');
    {%- endset -%}
    {%- do keyed_run(statements) -%}
{%- endmacro %}

{# How the table is brought up to date: `unchanged`, `whole` or by `keys`, which are in keyed_keys
   then; with whether NULL is among them and, of each input that is read by its own key, the number of
   the row from which on those stand that its last merge can have written, as long as nobody moved them. #}
{% macro keyed_way(declared, now) -%}
    {%- if env_var('GROUNDED_COMPARE_IN_FULL', '') -%}
        {{ return({'mode': 'whole'}) }}
    {%- endif -%}
    {%- set told = {'is_whole': false} -%}
    {%- set queries = [] -%}
    {%- set others = [] -%}
    {%- for leaf in now.leaves -%}
        {%- set held = now.at[leaf.name] -%}
        {%- if held.is_same -%}
        {%- elif not held.is_known -%}
            {%- do told.update({'is_whole': true}) -%}
        {%- elif leaf.query -%}
            {%- do queries.append(leaf.query | replace('$after', held.after)) -%}
        {%- elif leaf.kind == 'raw' -%}
            {%- do others.append((leaf.name, held.after)) -%}
        {%- else -%}
            {%- do told.update({'is_whole': true}) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if told.is_whole -%}
        {{ return({'mode': 'whole'}) }}
    {%- elif not queries and not others -%}
        {{ return({'mode': 'unchanged'}) }}
    {%- endif -%}
    {%- set by = declared.by -%}
    {%- set by_own_key = keyed_inputs_by_own_key(declared) -%}
    {#- Of each a row, joined: the engine takes long to plan a select of many subqueries. -#}
    {%- set query -%}
        create or replace temp table keyed_keys as
        select distinct {{ by }} from (
            {%- for query in queries %}
            {% if not loop.first %}union all{% endif %} select * from ({{ query }}) as changed({{ by }})
            {%- else %}
            select null as {{ by }} where false
            {%- endfor %}
        ) as changed;
        with found as (
            select count(*) as keys, coalesce(bool_or({{ by }} is null), false) as has_null
            from keyed_keys
        ),
        held as (select count(*) as held_rows from {{ this }})
        {%- if by_own_key %},
        written as (
            select
                {%- for input in by_own_key %}
                max(estimated_size) filter (
                    schema_name = '{{ input.schema }}' and table_name = '{{ input.alias }}'
                ) as {{ adapter.quote(input.name) }}{{ '' if loop.last else ',' }}
                {%- endfor %}
            from duckdb_tables() where database_name = current_database()
        )
        {%- endif %}
        select
            keys,
            keys > {{ declared.most_keys }} * held_rows,
            has_null
            {%- for input in by_own_key %}, {{ adapter.quote(input.name) }} - keys{% endfor %}
            {%- for name, after in others %},
            exists (
                select 1 from {{ name.split('.') | map('tojson') | join('.') }}
                where _dlt_load_id in (
                    select load_id from changes.loads
                    where table_name = '{{ name }}' and number > {{ after }}
                )
            )
            {%- endfor %}
        from found, held{{ ', written' if by_own_key }}
    {%- endset -%}
    {%- set row = keyed_rows(query)[0] -%}
    {%- set count, is_most, has_null = row[:3] -%}
    {%- set ends = {} -%}
    {%- for input in by_own_key -%}{%- do ends.update({input.name: row[3 + loop.index0]}) -%}{%- endfor -%}
    {%- if true in row[3 + by_own_key | length:] -%}
        {{ return({'mode': 'whole'}) }}
    {%- elif count == 0 -%}
        {{ return({'mode': 'unchanged'}) }}
    {%- elif is_most -%}
        {{ return({'mode': 'whole'}) }}
    {%- endif -%}
    {{ return({'mode': 'keys', 'has_null': has_null, 'ends': ends}) }}
{%- endmacro %}

{# The keyed models of which a row matters whose unique key is among the keys. #}
{% macro keyed_inputs_by_own_key(declared) -%}
    {%- set inputs = [] -%}
    {%- for name, column in declared.inputs.items() if '.' not in column -%}
        {%- set input = keyed_input(model, name) -%}
        {%- if input.config.materialized == 'keyed' and input.config.unique_key == column -%}
            {%- do inputs.append(input) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(inputs) }}
{%- endmacro %}

{# The statements that make what the rows are now (keyed_fresh), those of them that are not in the
   table as they are (keyed_new), and the keys of what must leave the table (keyed_left). #}
{% macro keyed_prepare(way, target, declared) -%}
    {%- set key = declared.unique_key -%}
    {%- set old = 'keyed_old' if way.mode == 'keys' else target -%}
    {%- set statements -%}
        {%- if way.mode == 'keys' -%}
            {%- set narrowed = keyed_narrowed(way, declared) -%}
            {{ narrowed.statements }}
            {{ keyed_fresh(target, narrowed.query) }}
            {#- By its number a row is found without the other columns of those beside it. #}
            create or replace temp table keyed_old as
            select rowid as keyed_row, * from {{ target }} where rowid in (
                select rowid from {{ target }} where {{ key }} in (
                    select {{ declared.key }} from keyed_keys
                    union
                    select {{ key }} from keyed_fresh
                )
            );
        {%- else -%}
            {{ keyed_fresh(target, compiled_code) }}
        {%- endif %}
        create or replace temp table keyed_new as
        select * from keyed_fresh
        except
        select *{% if way.mode == 'keys' %} exclude (keyed_row){% endif %} from {{ old }};
        create or replace temp table keyed_left as
        select {{ key }} from {{ old }} as old
        where not exists (select 1 from keyed_fresh where keyed_fresh.{{ key }} = old.{{ key }})
        union all
        select {{ key }} from keyed_new;
    {%- endset -%}
    {{ return(statements) }}
{%- endmacro %}

{% macro keyed_fresh(target, query) -%}
    create or replace temp table keyed_fresh as select * from {{ target }} limit 0;
    insert into keyed_fresh by name
    {{ query }};
{%- endmacro %}

{# The query over those rows of its inputs alone that matter to the keys. The keys are written out
   for a view, as the engine moves constants into it, and a join not. #}
{% macro keyed_narrowed(way, declared) -%}
    {%- set told = {'query': compiled_code, 'statements': ''} -%}
    {%- set narrowed = [] -%}
    {%- for name, column in declared.inputs.items() if '.' not in column -%}
        {%- set input = keyed_input(model, name) -%}
        {%- set relation = keyed_relation(input) -%}
        {%- if compiled_code.count(relation | string) != 1 or relation.identifier in narrowed -%}
            {{ exceptions.raise_compiler_error(
                model.name ~ ' must read ' ~ name ~ ' once, and nothing else of its name, to follow its '
                ~ 'changes; give a second use a model of its own'
            ) }}
        {%- endif -%}
        {%- do narrowed.append(relation.identifier) -%}
        {%- set narrow = api.Relation.create(
            database='temp', schema='main', identifier=relation.identifier
        ) -%}
        {%- set is_view = input.resource_type == 'model' and input.config.materialized == 'view' -%}
        {%- if is_view -%}
            {%- set chosen = keyed_constants(declared.by) -%}
        {%- else -%}
            {%- set chosen = 'select ' ~ declared.by ~ ' from keyed_keys' -%}
        {%- endif -%}
        {%- set statement -%}
            create or replace temp table {{ adapter.quote(relation.identifier) }} as
            select * from {{ relation }} where
            {%- if name in way.ends %}
            {#- What changed was written a moment ago, and stands at the table's end: 20 ms for 105 of
                10,000,000 rows. What is not found there is looked for everywhere. #}
            rowid >= {{ way.ends[name] }} and {{ column }} in ({{ chosen }});
            insert into {{ narrow }}
            select * from {{ relation }}
            where {{ column }} in ({{ chosen }} except select {{ column }} from {{ narrow }});
            {%- else %}
            {{ column }} in ({{ chosen }}){% if way.has_null %} or {{ column }} is null{% endif %};
            {%- endif %}
        {%- endset -%}
        {%- do told.update({
            'query': told.query | replace(relation | string, narrow | string),
            'statements': told.statements ~ statement,
        }) -%}
    {%- endfor -%}
    {{ return(told) }}
{%- endmacro %}

{# The keys as literals, which take the column's type. #}
{% macro keyed_constants(by) -%}
    {%- set query -%}
        select string_agg('''' || replace(cast({{ by }} as varchar), '''', '''''') || '''', ', ')
        from keyed_keys
    {%- endset -%}
    {{ return(keyed_rows(query)[0][0] or 'null') }}
{%- endmacro %}

{# Make what is to be prepared, and run on what changed the tests that dbt runs on the whole; a failure
   leaves the table as it was. Returns how many rows leave or come. #}
{% macro keyed_check(prepared, declared) -%}
    {%- set key = declared.unique_key -%}
    {%- set checks = [
        (key ~ ' is not unique', 'select 1 from keyed_fresh group by ' ~ key ~ ' having count(*) > 1'),
        (key ~ ' is null', 'select 1 from keyed_fresh where ' ~ key ~ ' is null'),
    ] -%}
    {%- for test in graph.nodes.values()
        if test.resource_type == 'test' and test.attached_node == model.unique_id
        and test.test_metadata and test.config.severity | lower == 'error' -%}
        {%- set named = test.test_metadata -%}
        {%- set arguments = {} -%}
        {%- for name, value in named.kwargs.items() if name not in ('model', 'name') -%}
            {%- do arguments.update({name: value}) -%}
        {%- endfor -%}
        {%- set tested = context.get('test_' ~ named.name) -%}
        {%- if tested and not named.namespace and test.depends_on.nodes | length == 1 -%}
            {%- do checks.append((test.name, tested('keyed_new', **arguments))) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set query -%}
        {{ prepared }}
        select 0, count(*) from keyed_left
        {%- for name, sql in checks %}
        union all
        select {{ loop.index }}, count(*) from (select 1 from ({{ sql }}) as failing limit 1) as failed
        {%- endfor %}
    {%- endset -%}
    {%- set counts = dict(keyed_rows(query)) -%}
    {%- set failed = [] -%}
    {%- for name, sql in checks -%}
        {%- if counts[loop.index] -%}{%- do failed.append(name) -%}{%- endif -%}
    {%- endfor -%}
    {%- if failed -%}
        {{ exceptions.raise_compiler_error(model.name ~ ': ' ~ failed | join(', ')) }}
    {%- endif -%}
    {{ return(counts[0]) }}
{%- endmacro %}

{# Bring the table and its change log to what is prepared. #}
{% macro keyed_merge(way, target, declared) -%}
    {%- set log = 'changes.' ~ adapter.quote(model.name) -%}
    {%- set key = declared.unique_key -%}
    {%- set kept = declared.kept | join(', ') -%}
    {%- set last = "(select last_seq from changes.models where name = '" ~ model.name ~ "')" -%}
    {%- set statements -%}
        update changes.models set last_seq = last_seq + 1
        where name = '{{ model.name }}' and exists (select 1 from keyed_left);
        insert into {{ log }}
        select {{ last }}, {{ kept }} from {{ 'keyed_old' if way.mode == 'keys' else target }}
        where {{ key }} in (select {{ key }} from keyed_left)
        union
        select {{ last }}, {{ kept }} from keyed_new;
        delete from {{ target }} where
        {%- if way.mode == 'keys' %} rowid in (
            select keyed_row from keyed_old where {{ key }} in (select {{ key }} from keyed_left)
        );
        {%- else %} {{ key }} in (select {{ key }} from keyed_left);
        {%- endif %}
        delete from {{ log }} where seq <= {{ last }} - {{ keyed_kept_merges() }};
        update changes.models set first_seq = greatest(first_seq, last_seq - {{ keyed_kept_merges() }} + 1)
        where name = '{{ model.name }}' and first_seq < last_seq - {{ keyed_kept_merges() }} + 1;
        insert into {{ target }} select * from keyed_new;
        drop table keyed_fresh;
        drop table keyed_new;
        drop table keyed_left;
    {%- endset -%}
    {{ return(statements) }}
{%- endmacro %}

{# Of so many merges the keys stay known; who has not followed for longer compares the whole. #}
{% macro keyed_kept_merges() -%}{{ return(1000) }}{%- endmacro %}
