// The counters of struct page by name: the shape of REF101.
// Options: --no-includes --include-headers

virtual report

@raw@
expression page;
position p;
@@
(
 page->_refcount@p
|
 page->_mapcount@p
)

@script:python depends on report@
p << raw.p;
@@
print("%s:%s: raw page counter" % (p[0].file, p[0].line))
