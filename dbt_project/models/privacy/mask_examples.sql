select
    customer_id,
    {{ phone_key('phone') }} as phone_key,
    {{ format_key('phone', 'phone') }} as phone_format_key,
    {{ bucket_number('customer_id', 25) }} as number_bucket,
    {{ shift_date('birth_date', 'customer_id') }} as birth_date_shifted,
    {{ shift_timestamp('created_at', 'customer_id') }} as created_at_shifted,
    {{ nulled('birth_date') }} as birth_date_nulled
from {{ ref('dim_customers') }}
