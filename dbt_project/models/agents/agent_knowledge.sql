select
    document_id,
    {{ redact('title') }} as title,
    category,
    {{ redact('content') }} as content,
    modified_at
from {{ ref('dim_documents') }}
