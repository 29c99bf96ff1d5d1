-- A mask that does not hide this class.
-- caught_by: proof
-- says: past privacy.mask_phone, which does not hide it

select {{ mask_phone('full_name') }} as k
from {{ ref('dim_customers') }}
