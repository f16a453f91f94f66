/**
 * Entry of the noheap runtime (`asc --runtime assembly/rt/noheap`).
 *
 * asc compiles every export of a runtime's entry file but the rest only on demand: so the functions that fail the
 * build stand in a file of their own.
 */
import "./managed";
