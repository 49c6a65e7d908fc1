/* Tells ThreadSanitizer what the compiled standard library does, which has no
 * sanitizer in it: its locks are taken and given back inside these functions
 * when threads meet. The linker puts them in the way of the real ones; the
 * names are those of the compiler at hand, given by the test. */

#include <stddef.h>

void __tsan_acquire(void *address);
void __tsan_release(void *address);

#define REAL(name) __asm__("__real_" name)
#define WRAP(name) __asm__("__wrap_" name)

/* Takes a lock that another thread has. */
void real_lock(void *lock) REAL(LOCK);
void wrap_lock(void *lock) WRAP(LOCK);
void wrap_lock(void *lock)
{
  real_lock(lock);
  __tsan_acquire(lock);
}

/* Gives a lock back, waits, and takes it again. */
void real_wait(void *condition, void *lock) REAL(WAIT);
void wrap_wait(void *condition, void *lock) WRAP(WAIT);
void wrap_wait(void *condition, void *lock)
{
  __tsan_release(lock);
  real_wait(condition, lock);
  __tsan_acquire(lock);
}

_Bool real_wait_timeout(void *condition, void *lock, unsigned long long s,
                        unsigned ns) REAL(WAIT_TIMEOUT);
_Bool wrap_wait_timeout(void *condition, void *lock, unsigned long long s,
                        unsigned ns) WRAP(WAIT_TIMEOUT);
_Bool wrap_wait_timeout(void *condition, void *lock, unsigned long long s,
                        unsigned ns)
{
  _Bool in_time;
  __tsan_release(lock);
  in_time = real_wait_timeout(condition, lock, s, ns);
  __tsan_acquire(lock);
  return in_time;
}

/* Calls a function once; the others wait for it. */
void real_once(void *once, _Bool ignore, void *data, void *table,
               void *location) REAL(ONCE);
void wrap_once(void *once, _Bool ignore, void *data, void *table,
               void *location) WRAP(ONCE);
void wrap_once(void *once, _Bool ignore, void *data, void *table,
               void *location)
{
  real_once(once, ignore, data, table, location);
  __tsan_release(once);
  __tsan_acquire(once);
}
