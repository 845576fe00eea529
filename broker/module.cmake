# weir_broker: cores, connections, handlers, partitions, metadata. dispatch.c has a row per handlers/<api>.c.
find_package(PkgConfig REQUIRED)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
weir_module(broker weir_storage weir_protocol weir_base PkgConfig::PCRE2)
weir_dispatch(weir_broker)
