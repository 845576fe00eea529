# tests/clients/module.cmake: weir_rdkafka, a client made with Debian's librdkafka; the scripts here use it.
find_package(PkgConfig REQUIRED)
pkg_check_modules(RDKAFKA IMPORTED_TARGET rdkafka)
if(RDKAFKA_FOUND)
  add_executable(weir_rdkafka tests/clients/rdkafka_client.c)
  target_link_libraries(weir_rdkafka PRIVATE PkgConfig::RDKAFKA)
endif()
