# Targets: bitsup::shared, bitsup::static, and bitsup::bitsup, which is the
# static one where COMPONENTS names that alone, and else the shared one.

get_filename_component(_bitsup_lib "${CMAKE_CURRENT_LIST_DIR}/../.." REALPATH)
set(_bitsup_include "@PREFIX@/include")
# Below a DESTDIR, or moved: the folder beside the libraries.
if(NOT EXISTS "${_bitsup_include}/bitsup.h")
  get_filename_component(_bitsup_include "${_bitsup_lib}/../include" ABSOLUTE)
endif()

# Packages may have one of both.
foreach(_bitsup_pair "shared=@FULL_NAME@" "static=libbitsup.a")
  string(REGEX REPLACE "=.*" "" _bitsup_kind "${_bitsup_pair}")
  string(REGEX REPLACE ".*=" "" _bitsup_file "${_bitsup_pair}")
  if(EXISTS "${_bitsup_lib}/${_bitsup_file}")
    set(bitsup_${_bitsup_kind}_FOUND TRUE)
  endif()
endforeach()
foreach(_bitsup_kind IN LISTS bitsup_FIND_COMPONENTS)
  if(bitsup_FIND_REQUIRED_${_bitsup_kind} AND NOT bitsup_${_bitsup_kind}_FOUND)
    set(bitsup_FOUND FALSE)
    set(bitsup_NOT_FOUND_MESSAGE
      "bitsup has no component ${_bitsup_kind} here; it knows shared and static")
    return()
  endif()
endforeach()

if(bitsup_shared_FOUND AND NOT TARGET bitsup::shared)
  add_library(bitsup::shared SHARED IMPORTED)
  set_target_properties(bitsup::shared PROPERTIES
    IMPORTED_LOCATION "${_bitsup_lib}/@FULL_NAME@"
    IMPORTED_SONAME "@SONAME@"
    INTERFACE_INCLUDE_DIRECTORIES "${_bitsup_include}")
endif()

if(bitsup_static_FOUND AND NOT TARGET bitsup::static)
  add_library(bitsup::static STATIC IMPORTED)
  set_target_properties(bitsup::static PROPERTIES
    IMPORTED_LOCATION "${_bitsup_lib}/libbitsup.a"
    INTERFACE_INCLUDE_DIRECTORIES "${_bitsup_include}"
    INTERFACE_LINK_LIBRARIES "@PRIVATE_LIST@")
endif()

if(NOT TARGET bitsup::bitsup)
  add_library(bitsup::bitsup INTERFACE IMPORTED)
  if(bitsup_FIND_COMPONENTS STREQUAL "static" OR NOT bitsup_shared_FOUND)
    set_target_properties(bitsup::bitsup PROPERTIES
      INTERFACE_LINK_LIBRARIES bitsup::static)
  else()
    set_target_properties(bitsup::bitsup PROPERTIES
      INTERFACE_LINK_LIBRARIES bitsup::shared)
  endif()
endif()
