/** Wire formats as bare exports, for vector tests on the host; addresses from `kernelHeap()` upwards. */
import "../../assembly/rt/fault";

export { ESP_KEEPALIVE, espEmitTrailer, espPadding } from "../../assembly/wire/esp";
export { PROTOCOL_IPV4, PROTOCOL_IPV6, PROTOCOL_NONE } from "../../assembly/wire/ipv4";
export { LLC_SNAP_HEADER, llcSnapCheck, llcSnapEmit, llcSnapPid } from "../../assembly/wire/llc_snap";

/** First address that the module itself does not use. */
export function kernelHeap(): usize {
  return (__heap_base + 63) & ~63;
}
export { PAYLOAD_SKF } from "../../assembly/wire/ike_message";
export {
  NOTIFY_IKEV2_FRAGMENTATION_SUPPORTED,
  NOTIFY_NO_PPK_AUTH,
  NOTIFY_PPK_IDENTITY,
  NOTIFY_USE_PPK,
} from "../../assembly/wire/ike_payload/notify";
