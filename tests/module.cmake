# tests/module.cmake: the test programs. They see every module, and nothing sees them.
#
#   weir_unit            all of tests/unit/*_test.c; -DWEIR_UNIT_FILTER=<regex of file names> takes a part
#   fuzz_<name>          one per tests/fuzz/<name>_fuzz.c: libFuzzer with WEIR_FUZZ, a bounded smoke run without
#   weir_fuzz            all of the latter
#   tests/<part>/module.cmake brings further programs, when it is there
if(NOT WEIR_TESTS)
  return()
endif()

set(WEIR_UNIT_FILTER "" CACHE STRING "regular expression: only unit test files whose name matches")
find_package(PkgConfig REQUIRED)
pkg_check_modules(CHECK REQUIRED IMPORTED_TARGET check)

foreach(part sim wire clients)
  if(EXISTS ${CMAKE_SOURCE_DIR}/tests/${part}/module.cmake)
    include(tests/${part}/module.cmake)
  endif()
endforeach()

# Everything a test may call, in link order: whoever uses comes before what is used.
set(weir_tested)
foreach(library weir_env_sim weir_tools_client weir_tools weir_broker weir_storage weir_protocol weir_base)
  if(TARGET ${library})
    list(APPEND weir_tested ${library})
  endif()
endforeach()

file(GLOB unit_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/unit/*_test.c)
if(WEIR_UNIT_FILTER)
  list(FILTER unit_files INCLUDE REGEX "/unit/[^/]*(${WEIR_UNIT_FILTER})[^/]*$")
endif()
add_executable(weir_unit tests/harness/main.c tests/harness/checks.c ${unit_files})
target_link_libraries(weir_unit PRIVATE ${weir_tested} PkgConfig::CHECK)

file(GLOB fuzz_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/fuzz/*_fuzz.c)
add_custom_target(weir_fuzz)
foreach(file ${fuzz_files})
  get_filename_component(name ${file} NAME_WE)
  string(REGEX REPLACE "_fuzz$" "" name ${name})
  add_executable(fuzz_${name} ${file})
  target_link_libraries(fuzz_${name} PRIVATE ${weir_tested})
  if(WEIR_FUZZ)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(fuzz_${name} PRIVATE tests/harness/fuzz_smoke.c)
  endif()
  add_dependencies(weir_fuzz fuzz_${name})
endforeach()
