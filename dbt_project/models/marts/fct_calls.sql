{{ config(
    materialized='keyed',
    unique_key='query_id',
) }}

select
    query_id,
    snapshot_id,
    agent_name,
    surface,
    tool,
    cache,
    freshness,
    refusal_code,
    fault_type,
    row_count,
    row_bytes,
    elapsed_ms,
    is_refused,
    coalesce(freshness = 'stale', false) as is_stale,
    elapsed_ms >= {{ var('slow_call_ms') }} as is_slow,
    called_at
from {{ ref('stg_audit__calls') }}
