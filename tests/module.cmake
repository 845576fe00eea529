# tests/module.cmake: the test programs. They see every module, and nothing sees them.
#
#   weir_unit            all of tests/unit/*_test.c; -DWEIR_UNIT_FILTER=<regex of file names> takes a part
#   weir_unit_failing    tests that fail on purpose, for tests/door/harness_test.py
#   fuzz_<name>          one per tests/fuzz/<name>_fuzz.c: libFuzzer with WEIR_FUZZ, a bounded smoke run without
#   weir_fuzz            all of the latter
#   tests/<part>/module.cmake brings further libraries and programs
if(NOT WEIR_TESTS)
  return()
endif()

set(WEIR_UNIT_FILTER "" CACHE STRING "regular expression: only unit test files whose name matches")
find_package(PkgConfig REQUIRED)
pkg_check_modules(CHECK REQUIRED IMPORTED_TARGET check)

file(GLOB unit_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/unit/*_test.c)
if(WEIR_UNIT_FILTER)
  list(FILTER unit_files INCLUDE REGEX "/unit/[^/]*(${WEIR_UNIT_FILTER})[^/]*$")
endif()

get_property(modules DIRECTORY PROPERTY BUILDSYSTEM_TARGETS)
file(GLOB parts RELATIVE ${CMAKE_SOURCE_DIR} CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/*/module.cmake)
foreach(part ${parts})
  include(${part})
endforeach()

# weir_link_tested(TARGET FILES...): links the libraries of the folders whose headers the files include. So a
# part of the tests builds while another module does not.
function(weir_link_tested target)
  get_property(all DIRECTORY PROPERTY BUILDSYSTEM_TARGETS)
  target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${ARGN})
  set(includes "")
  foreach(file ${ARGN})
    file(STRINGS ${file} found REGEX "^#include \"")
    string(APPEND includes "${found}")
  endforeach()
  string(REPLACE "\"schema/" "\"protocol/" includes "${includes}")
  foreach(library ${all})
    get_target_property(type ${library} TYPE)
    string(REGEX REPLACE "^weir_([a-z]+).*" "\\1" folder ${library})
    if(NOT "${type}" STREQUAL "STATIC_LIBRARY")
      continue()
    elseif(library IN_LIST modules AND NOT includes MATCHES "\"${folder}/" AND NOT "${folder}" STREQUAL "base")
      continue()
    elseif(NOT library IN_LIST modules AND NOT includes MATCHES "\"tests/[^h]") # harness needs none
      continue()
    endif()
    target_link_libraries(${target} PRIVATE ${library})
  endforeach()
endfunction()

add_library(weir_harness OBJECT tests/harness/main.c tests/harness/checks.c)
target_include_directories(weir_harness PRIVATE ${CMAKE_SOURCE_DIR})
target_link_libraries(weir_harness PUBLIC PkgConfig::CHECK)
add_executable(weir_unit ${unit_files})
weir_link_tested(weir_unit ${unit_files})
target_link_libraries(weir_unit PRIVATE weir_harness)
add_executable(weir_unit_failing tests/harness/failing.c)
target_link_libraries(weir_unit_failing PRIVATE weir_harness weir_base)

file(GLOB fuzz_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/fuzz/*_fuzz.c)
add_custom_target(weir_fuzz)
foreach(file ${fuzz_files})
  get_filename_component(name ${file} NAME_WE)
  string(REGEX REPLACE "_fuzz$" "" name ${name})
  add_executable(fuzz_${name} ${file})
  weir_link_tested(fuzz_${name} ${file})
  if(WEIR_FUZZ)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(fuzz_${name} PRIVATE tests/harness/fuzz_smoke.c)
  endif()
  add_dependencies(weir_fuzz fuzz_${name})
endforeach()
