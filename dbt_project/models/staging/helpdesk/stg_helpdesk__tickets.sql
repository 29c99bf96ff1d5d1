with renamed as (

    select
        id as ticket_id,
        {{ dbt.safe_cast('customer_id', 'bigint') }} as customer_id,
        {{ clean_text('requester_name') }} as requester_name,
        {{ clean_text('requester_email') }} as requester_email,
        {{ clean_text('subject') }} as subject,
        {{ clean_text('body') }} as body,
        {{ code_name('status') }} as status,
        {{ code_name('priority') }} as priority,
        created_at,
        updated_at,
        _deleted_at as deleted_at,
        row_number() over (
            partition by id order by updated_at desc nulls last, _loaded_at desc
        ) as recency
    from {{ source('helpdesk', 'tickets') }}

)

select
    ticket_id,
    customer_id,
    requester_name,
    requester_email,
    subject,
    body,
    status,
    priority,
    created_at,
    updated_at
from renamed
where recency = 1 and deleted_at is null
