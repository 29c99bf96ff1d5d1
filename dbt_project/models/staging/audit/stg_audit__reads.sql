with calls as (

    select
        query_id,
        agent,
        time as called_at,
        {{ as_json('tables') }} as tables,
        stale_tables
    from {{ source('audit', 'calls') }}
    where query_id is not null and _deleted_at is null

),

reads as (

    select
        calls.query_id,
        calls.agent as agent_name,
        replace(cast(read.element as varchar), '"', '') as view_name,
        calls.stale_tables like '%' || cast(read.element as varchar) || '%' as is_stale,
        calls.called_at
    from calls
    {{ cross_join_json_array('calls.tables', 'read') }}

)

select
    query_id,
    agent_name,
    view_name,
    is_stale,
    called_at
from reads
