select
    query_id,
    snapshot_id,
    agent as agent_name,
    surface,
    tool,
    cache,
    freshness,
    code as refusal_code,
    error_type as fault_type,
    rows as row_count,
    bytes as row_bytes,
    elapsed_ms,
    verdict = 'refused' as is_refused,
    time as called_at
from {{ source('audit', 'calls') }}
where query_id is not null and _deleted_at is null
