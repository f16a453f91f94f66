/**
 * The number types that assembly/abi declares its constants with: to the TypeScript host they are plain numbers.
 * No u64 constant crosses the contract, so none needs a bigint.
 */
type i8 = number;
type i16 = number;
type i32 = number;
type u8 = number;
type u16 = number;
type u32 = number;
type usize = number;
