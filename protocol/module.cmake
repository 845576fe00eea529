# weir_protocol: messages (generated from schema/*.json), frames, record batches, compression.
set(schema_out ${CMAKE_BINARY_DIR}/generated)
set(schema_generator ${CMAKE_SOURCE_DIR}/protocol/generate.py)
file(GLOB schema_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/protocol/schema/*.json)
file(GLOB schema_generator_parts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/protocol/generate/*.py)

# The lists of files are inputs too: a file that went away must not stay in the tables.
file(CONFIGURE OUTPUT ${schema_out}/schema_files.txt CONTENT "${schema_files}" @ONLY)

# A header is rewritten only when its text changes, so an edit of one schema rebuilds what includes it.
set(schema_headers ${schema_out}/schema/messages.h ${schema_out}/schema/apis.h)
foreach(file ${schema_files})
  cmake_path(GET file STEM base)
  list(APPEND schema_headers ${schema_out}/schema/${base}.h)
endforeach()
set(schema_sources ${schema_out}/messages.c ${schema_out}/apis.c ${schema_out}/errors.c)
add_custom_command(
  OUTPUT ${schema_sources} ${schema_headers}
  COMMAND Python3::Interpreter ${schema_generator} messages --schema ${CMAKE_SOURCE_DIR}/protocol/schema
          --out ${schema_out}
  DEPENDS ${schema_generator} ${schema_generator_parts} ${schema_files} ${schema_out}/schema_files.txt
  COMMENT "protocol/schema -> structs and tables")

weir_module(protocol weir_base zstd lz4 snappy z)
target_sources(weir_protocol PRIVATE ${schema_sources} ${schema_headers})
target_include_directories(weir_protocol PUBLIC ${schema_out})

# Messages as JSON stand apart, so that the broker does not link jansson.
get_target_property(sources weir_protocol SOURCES)
list(FILTER sources EXCLUDE REGEX "message_json\\.c$")
set_target_properties(weir_protocol PROPERTIES SOURCES "${sources}")
add_library(weir_protocol_json STATIC protocol/message_json.c)
target_link_libraries(weir_protocol_json PUBLIC weir_protocol jansson)

# weir_dispatch(TARGET): adds the table of served APIs to TARGET, one row per broker/handlers/<api>.c.
function(weir_dispatch target)
  file(GLOB handler_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/broker/handlers/*.c)
  file(CONFIGURE OUTPUT ${schema_out}/handler_files.txt CONTENT "${handler_files}" @ONLY)
  add_custom_command(
    OUTPUT ${schema_out}/dispatch.c ${schema_out}/schema/dispatch.h
    COMMAND Python3::Interpreter ${schema_generator} dispatch --schema ${CMAKE_SOURCE_DIR}/protocol/schema
            --handlers ${CMAKE_SOURCE_DIR}/broker/handlers --out ${schema_out}
    DEPENDS ${schema_generator} ${schema_generator_parts} ${schema_files} ${handler_files}
            ${schema_out}/schema_files.txt ${schema_out}/handler_files.txt
    COMMENT "broker/handlers -> dispatch table")
  target_sources(${target} PRIVATE ${schema_out}/dispatch.c ${schema_out}/schema/dispatch.h)
endfunction()
