with declared as (

    {{ declared_reads() }}

),

reads as (

    select
        agent_name,
        view_name,
        is_stale,
        called_at
    from {{ ref('stg_audit__reads') }}

),

usage as (

    select
        agent_name,
        view_name,
        count(*) as read_count,
        sum(case when is_stale then 1 else 0 end) as stale_read_count,
        max(called_at) as last_read_at,
        max(case when is_stale then called_at end) as last_stale_read_at
    from reads
    group by agent_name, view_name

),

log_begin as (

    select min(called_at) as logged_since
    from {{ ref('stg_audit__calls') }}

)

select
    declared.agent_name,
    declared.view_name,
    coalesce(usage.read_count, 0) as read_count,
    cast(coalesce(usage.stale_read_count, 0) as bigint) as stale_read_count,
    coalesce(usage.stale_read_count, 0) > 0 as is_read_stale,
    coalesce(
        cast(coalesce(usage.last_read_at, log_begin.logged_since) as date)
        < {{ dbt.dateadd('day', -var('unused_after_days'), today()) }},
        false
    ) as is_unused,
    usage.last_read_at,
    usage.last_stale_read_at
from declared
cross join log_begin
left join usage
    on
        declared.agent_name = usage.agent_name
        and declared.view_name = usage.view_name
