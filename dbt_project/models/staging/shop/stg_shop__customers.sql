with renamed as (

    select
        id as customer_id,
        {{ clean_text('full_name') }} as full_name,
        {{ clean_text('email') }} as email,
        {{ clean_text('phone') }} as phone,
        {{ clean_text('street') }} as street,
        {{ clean_text('postcode') }} as postcode,
        {{ clean_text('city') }} as city,
        {{ country_name('country') }} as country,
        {{ dbt.safe_cast('birth_date', 'date') }} as birth_date,
        {{ dbt.safe_cast('marketing_opt_in', 'boolean') }} as marketing_opt_in,
        created_at,
        updated_at,
        _deleted_at as deleted_at,
        row_number() over (
            partition by id order by updated_at desc nulls last, _loaded_at desc
        ) as recency
    from {{ source('shop', 'customers') }}

)

select
    customer_id,
    full_name,
    email,
    phone,
    street,
    postcode,
    city,
    country,
    birth_date,
    marketing_opt_in,
    created_at,
    updated_at
from renamed
where recency = 1 and deleted_at is null
