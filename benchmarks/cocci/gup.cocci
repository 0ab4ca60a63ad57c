// A pin that is kept in an object, asked for without FOLL_LONGTERM: the shape of GUP101 without its paths.
// Options: --no-includes --include-headers

virtual report

@pins@
expression addr, nr, flags, obj;
identifier member;
position p;
@@
(
 pin_user_pages_fast@p(addr, nr, flags, obj->member)
|
 pin_user_pages@p(addr, nr, flags, obj->member)
)

@marked@
expression addr, nr, flags, obj;
identifier member;
position pins.p;
@@
(
 pin_user_pages_fast@p(addr, nr, flags | FOLL_LONGTERM, obj->member)
|
 pin_user_pages@p(addr, nr, flags | FOLL_LONGTERM, obj->member)
)

@script:python depends on report && !marked@
p << pins.p;
@@
print("%s:%s: pins that are kept, without FOLL_LONGTERM" % (p[0].file, p[0].line))
