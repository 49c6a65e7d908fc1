# Targets: bitsup::shared, bitsup::static, and bitsup::bitsup, which is the
# shared one unless bitsup_USE_STATIC_LIBS is set.

get_filename_component(_bitsup_lib "${CMAKE_CURRENT_LIST_DIR}/../.." REALPATH)
set(_bitsup_include "@PREFIX@/include")
# Below a DESTDIR, or moved: the folder beside the libraries.
if(NOT EXISTS "${_bitsup_include}/bitsup.h")
  get_filename_component(_bitsup_include "${_bitsup_lib}/../include" ABSOLUTE)
endif()

if(NOT TARGET bitsup::shared)
  add_library(bitsup::shared SHARED IMPORTED)
  set_target_properties(bitsup::shared PROPERTIES
    IMPORTED_LOCATION "${_bitsup_lib}/@FULL_NAME@"
    IMPORTED_SONAME "@SONAME@"
    INTERFACE_INCLUDE_DIRECTORIES "${_bitsup_include}")

  add_library(bitsup::static STATIC IMPORTED)
  set_target_properties(bitsup::static PROPERTIES
    IMPORTED_LOCATION "${_bitsup_lib}/libbitsup.a"
    INTERFACE_INCLUDE_DIRECTORIES "${_bitsup_include}"
    INTERFACE_LINK_LIBRARIES "@PRIVATE_LIST@")

  add_library(bitsup::bitsup INTERFACE IMPORTED)
  if(bitsup_USE_STATIC_LIBS)
    set_target_properties(bitsup::bitsup PROPERTIES
      INTERFACE_LINK_LIBRARIES bitsup::static)
  else()
    set_target_properties(bitsup::bitsup PROPERTIES
      INTERFACE_LINK_LIBRARIES bitsup::shared)
  endif()
endif()
