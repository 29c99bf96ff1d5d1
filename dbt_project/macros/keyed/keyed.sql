{# A table of which only the rows are made again that a change upstream can have changed. What it
   holds is always the whole query over what is upstream now, as a table would hold it:

   config(materialized='keyed', unique_key='customer_key', meta={'changes': {
       'by': 'customer_id',                    the key by which changes come; as a rule `unique_key`
       'key': "...",                           the unique key as an expression of it; as a rule itself
       'inputs': {                             for each input, how its rows lead to that key:
           'dim_customers': 'customer_id',     by this column, and rows with other keys do not matter
           'fct_orders': 'customer_id',
           'dim_regions': 'dim_customers.region_id'  its own key is in this column of another input
       }
   }})

   An input that changed and is not named has the whole query run and compared; so has a change of
   more than `most_keys` of the rows (0.1), another day where the query asks for the date, and each
   build of a query that asks for the time or for chance. Other SQL, of the model, of a view below it
   or of a mask, another declaration or another key makes the whole table anew. Each merge is one
   transaction with the entries of the change log.

   Generic tests of the model run on what changed before it is merged; those that read other models,
   and tests written as queries of their own, run with `dbt build` alone. #}
{% materialization keyed, adapter='duckdb' %}
    {%- set target = this.incorporate(type='table') -%}
    {%- set declared = keyed_declared(model) -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- set now = keyed_look(model, declared) -%}
    {%- if should_full_refresh() or not now.is_table or now.held != now.fingerprint -%}
        {%- do keyed_replace(load_cached_relation(this), target, declared, now.fingerprint) -%}
        {%- do keyed_run(keyed_noting(model, now.leaves)) -%}
        {%- do persist_docs(target, model) -%}
    {%- else -%}
        {%- set way = keyed_way(declared, now) -%}
        {%- set count = 0 -%}
        {%- set ending = [] -%}
        {%- if way.mode != 'unchanged' -%}
            {%- set prepared = keyed_prepare(way, target, declared) -%}
            {%- set count = keyed_check(prepared, declared) -%}
            {%- do ending.append(keyed_merge(way, target, declared)) -%}
        {%- endif -%}
        {%- if now.has_moved -%}
            {%- do ending.append(keyed_noting(model, now.leaves)) -%}
        {%- endif -%}
        {%- if ending -%}
            {%- do keyed_run(ending | join('\n')) -%}
        {%- endif -%}
        {%- do store_raw_result(
            'main', message=way.mode ~ ' ' ~ count, code=way.mode | upper, rows_affected=count | string
        ) -%}
    {%- endif -%}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}

{# What the model says of its changes, with what goes without saying. #}
{% macro keyed_declared(node) -%}
    {%- set said = node.config.get('meta', {}).get('changes', {}) -%}
    {%- set by = said.get('by', node.config.unique_key) -%}
    {{ return({
        'unique_key': node.config.unique_key,
        'by': by,
        'key': said.get('key', by),
        'inputs': said.get('inputs', {}),
        'most_keys': said.get('most_keys', 0.1),
        'kept': keyed_kept(node),
    }) }}
{%- endmacro %}

{# The columns that models downstream follow changes by, the unique key first. #}
{% macro keyed_kept(node) -%}
    {%- set kept = [node.config.unique_key] -%}
    {%- for other in graph.nodes.values() if node.unique_id in other.depends_on.nodes -%}
        {%- set by = other.config.get('meta', {}).get('changes', {}).get('inputs', {}).get(node.name) -%}
        {%- if by and '.' not in by and by not in kept -%}
            {%- do kept.append(by) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(kept) }}
{%- endmacro %}

{# What the model is made of, as far as changes of it are known: keyed models and raw tables. Each with
   its name, and the query for the keys that its changes lead to, where it is declared. #}
{% macro keyed_inputs(node, declared) -%}
    {%- set leaves = [] -%}
    {%- for id in node.depends_on.nodes | unique -%}
        {%- set input = graph.nodes.get(id) or graph.sources[id] -%}
        {%- set name = keyed_name(input) -%}
        {%- set by = declared.inputs.get(name) -%}
        {%- set follows = none -%}
        {%- if by and '.' in by -%}
            {%- set via, column = by.split('.') -%}
            {%- set follows = keyed_followed(input, none) -%}
            {%- if follows -%}
                {%- set query -%}
                    select {{ declared.by }} from {{ keyed_relation(keyed_input(node, via)) }}
                    where {{ column }} in ({{ follows.query }})
                {%- endset -%}
                {%- set follows = {'kind': follows.kind, 'name': follows.name, 'query': query} -%}
            {%- endif -%}
        {%- elif by -%}
            {%- set follows = keyed_followed(input, by) -%}
        {%- endif -%}
        {%- if by and not follows -%}
            {{ exceptions.raise_compiler_error(
                model.name ~ ': changes of ' ~ name ~ ' cannot be followed by ' ~ by
                ~ '; name a column of a keyed model, or one in meta.raw_key of a view over one source'
            ) }}
        {%- endif -%}
        {%- if follows -%}
            {%- do leaves.append(follows) -%}
        {%- else -%}
            {%- do leaves.extend(keyed_leaves_below(input)) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(leaves) }}
{%- endmacro %}

{# What else a query's rows depend on: the day, the time, chance. #}
{% macro keyed_asked(text) -%}
    {%- set leaves = [] -%}
    {%- if modules.re.search('\\bcurrent_date\\b|\\btoday\\s*\\(', text, modules.re.IGNORECASE) -%}
        {%- do leaves.append({'kind': 'day', 'name': 'day', 'query': none}) -%}
    {%- endif -%}
    {%- if modules.re.search(keyed_volatile(), text, modules.re.IGNORECASE) -%}
        {%- do leaves.append({'kind': 'unknown', 'name': 'time or chance', 'query': none}) -%}
    {%- endif -%}
    {{ return(leaves) }}
{%- endmacro %}

{# What gives another value each time that it is asked. #}
{% macro keyed_volatile() -%}
    {{ return(
        '\\b(current_time|current_timestamp|localtime|localtimestamp)\\b'
        ~ '|\\b(now|random|setseed|uuid|uuidv4|uuidv7|gen_random_uuid|get_current_time|'
        ~ 'get_current_timestamp|transaction_timestamp|nextval)\\s*\\('
    ) }}
{%- endmacro %}

{# The leaf by whose column an input's changes are followed, none where that is not known; without a
   column by the input's own key. Positions are asked for as `$after`. #}
{% macro keyed_followed(input, column) -%}
    {%- if input.resource_type == 'source' -%}
        {{ return({
            'kind': 'raw', 'name': keyed_raw_table(input), 'query': keyed_raw_changes(input, column)
        }) }}
    {%- elif input.config.materialized == 'keyed' -%}
        {%- set query -%}
            select {{ column or input.config.unique_key }} from changes.{{ adapter.quote(input.name) }}
            where seq > $after
        {%- endset -%}
        {{ return({'kind': 'model', 'name': input.name, 'query': query}) }}
    {%- elif input.config.materialized == 'view' and input.depends_on.nodes | length == 1 -%}
        {%- set source = graph.sources.get(input.depends_on.nodes[0]) -%}
        {%- set raw_key = input.config.get('meta', {}).get('raw_key', {}) -%}
        {%- set raw_column = raw_key.get(column or raw_key.keys() | first) -%}
        {%- if source and raw_column -%}
            {{ return({
                'kind': 'raw',
                'name': keyed_raw_table(source),
                'query': keyed_raw_changes(source, raw_column),
            }) }}
        {%- endif -%}
    {%- endif -%}
    {{ return(none) }}
{%- endmacro %}

{# The leaves under an input of which only is asked whether anything in them changed. #}
{% macro keyed_leaves_below(input) -%}
    {%- if input.resource_type == 'source' -%}
        {{ return([{'kind': 'raw', 'name': keyed_raw_table(input), 'query': none}]) }}
    {%- elif input.config.materialized == 'keyed' -%}
        {{ return([{'kind': 'model', 'name': input.name, 'query': none}]) }}
    {%- elif input.config.materialized not in ('view', 'ephemeral') -%}
        {{ return([{'kind': 'unknown', 'name': input.name, 'query': none}]) }}
    {%- endif -%}
    {%- set leaves = [] -%}
    {%- for id in input.depends_on.nodes | unique -%}
        {%- do leaves.extend(keyed_leaves_below(graph.nodes.get(id) or graph.sources[id])) -%}
    {%- endfor -%}
    {{ return(leaves) }}
{%- endmacro %}

{% macro keyed_raw_changes(source, column) -%}
    select {{ column }} from {{ keyed_relation(source) }}
    where _dlt_load_id in (
        select load_id from changes.loads
        where table_name = '{{ keyed_raw_table(source) }}' and number > $after
    )
{%- endmacro %}

{# A raw table as the warehouse calls it, and an input as `inputs` does. #}
{% macro keyed_raw_table(source) -%}
    {{ return(source.schema ~ '.' ~ source.identifier) }}
{%- endmacro %}

{% macro keyed_name(input) -%}
    {{ return(input.source_name ~ '.' ~ input.name if input.resource_type == 'source' else input.name) }}
{%- endmacro %}

{% macro keyed_input(node, name) -%}
    {%- for id in node.depends_on.nodes -%}
        {%- set input = graph.nodes.get(id) or graph.sources[id] -%}
        {%- if keyed_name(input) == name -%}
            {{ return(input) }}
        {%- endif -%}
    {%- endfor -%}
    {{ exceptions.raise_compiler_error(node.name ~ ' does not read ' ~ name) }}
{%- endmacro %}

{% macro keyed_relation(input) -%}
    {{ return(api.Relation.create(
        database=input.database, schema=input.schema, identifier=input.get('identifier') or input.alias
    )) }}
{%- endmacro %}
