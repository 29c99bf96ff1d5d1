select
    query_id,
    agent_name,
    surface,
    tool,
    row_count,
    elapsed_ms,
    refusal_code,
    called_at
from {{ ref('stg_audit__calls') }}
where elapsed_ms >= {{ var('slow_call_ms') }}
