with calls as (

    select
        agent_name,
        refusal_code,
        is_refused,
        called_at
    from {{ ref('stg_audit__calls') }}

),

totals as (

    select
        agent_name,
        count(*) as call_count,
        sum(case when is_refused then 1 else 0 end) as denial_count
    from calls
    group by agent_name

)

select
    calls.agent_name,
    calls.refusal_code,
    count(*) as denial_count,
    min(totals.call_count) as agent_call_count,
    min(totals.call_count) >= {{ var('fewest_calls') }}
    and min(totals.denial_count) > {{ var('most_denials') }} * min(totals.call_count)
        as is_often_refused,
    max(calls.called_at) as last_denied_at
from calls
inner join totals
    on calls.agent_name = totals.agent_name
where calls.is_refused
group by calls.agent_name, calls.refusal_code
