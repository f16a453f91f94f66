/**
 * Entry of the noheap runtime (`asc --runtime assembly/rt/noheap`).
 *
 * asc compiles every export of a runtime's entry file but the rest only on demand: so the functions that fail the
 * build stand in a file of their own. The abort hook is loaded here too, so that a program finds it without importing it.
 */
import "./fault";
import "./managed";
