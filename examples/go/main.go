// SPDX-License-Identifier: Apache-2.0

// The main job in Go, by cgo: one goroutine takes the events from the queue and hands each to whoever waits for its tag.
// Errors belong to completions, not to threads, so that no goroutine is locked to one. Makes sandboxes.db in the working directory.
package main

/*
#cgo LDFLAGS: -lsandboxkit_c
#include <sandboxkit.h>
#include <stdlib.h>
*/
import "C"

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"unsafe"
)

// Error is the Error of sandboxkit.h, whose fields are found whatever their capitals.
type Error struct{ Class, Code, Message, Remedy string }

func (e *Error) Error() string { return e.Message + "\n" + e.Remedy }

// text is a Go string as the interface takes it. The call copies it, so that Go's own memory may be lent.
func text(s string) (*C.char, C.size_t) {
	b := append([]byte(s), 0)
	return (*C.char)(unsafe.Pointer(&b[0])), C.size_t(len(s))
}

type queue struct {
	handle  *C.sbk_queue
	lock    sync.Mutex
	last    C.uint64_t
	waiting map[C.uint64_t]chan *C.sbk_event
	ended   chan struct{}
}

func newQueue() (*queue, error) {
	q := &queue{waiting: map[C.uint64_t]chan *C.sbk_event{}, ended: make(chan struct{})}
	if status := C.sbk_queue_new(&q.handle); status != C.SBK_OK {
		return nil, failure(status)
	}
	go q.dispatch()
	return q, nil
}

func failure(status C.sbk_status) error {
	return &Error{Message: C.GoString(C.sbk_status_name(status))}
}

// close frees the queue when the goroutine that waits in it has ended.
func (q *queue) close() {
	C.sbk_queue_post(q.handle, 0)
	<-q.ended
	C.sbk_queue_free(q.handle)
}

func (q *queue) dispatch() {
	for {
		var event *C.sbk_event
		C.sbk_queue_next(&event, q.handle, -1)
		tag := C.sbk_event_tag(event)
		kind := C.sbk_event_get_kind(event)
		if kind != C.SBK_EVENT_COMPLETION { // progress of the build is of no interest here
			C.sbk_event_free(event)
			if kind == C.SBK_EVENT_POSTED {
				close(q.ended)
				return
			}
			continue
		}
		q.lock.Lock()
		waiting := q.waiting[tag]
		delete(q.waiting, tag)
		q.lock.Unlock()
		waiting <- event
	}
}

// call submits with a tag of its own and waits: `result` takes the JSON. What comes beside it is the standard output, if any.
func (q *queue) call(submit func(tag C.uint64_t) C.sbk_status, result interface{}, take func(*C.sbk_event)) ([]byte, error) {
	waiting := make(chan *C.sbk_event, 1)
	q.lock.Lock()
	q.last++
	tag := q.last
	q.waiting[tag] = waiting
	q.lock.Unlock()
	if status := submit(tag); status != C.SBK_OK {
		q.lock.Lock()
		delete(q.waiting, tag)
		q.lock.Unlock()
		return nil, failure(status)
	}
	event := <-waiting
	defer C.sbk_event_free(event)
	var size C.size_t
	document := C.GoBytes(unsafe.Pointer(C.sbk_event_json(event, &size)), C.int(size))
	if status := C.sbk_event_status(event); status != C.SBK_OK {
		problem := failure(status).(*Error)
		_ = json.Unmarshal(document, problem)
		return nil, problem
	}
	if take != nil {
		take(event)
	}
	bytes := C.sbk_event_bytes(event, &size)
	output := C.GoBytes(unsafe.Pointer(bytes), C.int(size))
	if result != nil {
		return output, json.Unmarshal(document, result)
	}
	return output, nil
}

func mainJob() (err error) {
	q, err := newQueue()
	if err != nil {
		return err
	}
	var engine *C.sbk_engine
	// A struct that holds pointers cannot hold Go's: they are C's, and given back.
	options := C.sbk_engine_options{store: C.CString("sandboxes.db"), store_size: C.SBK_NUL}
	options.struct_size = C.size_t(unsafe.Sizeof(options))
	_, err = q.call(func(tag C.uint64_t) C.sbk_status { return C.sbk_engine_open(nil, q.handle, tag, &options) }, nil,
		func(event *C.sbk_event) { C.sbk_event_take_engine(&engine, event) })
	C.free(unsafe.Pointer(options.store))
	if err != nil {
		return err
	}
	defer q.close()
	defer C.sbk_engine_free(engine) // closes it

	var client *C.sbk_client
	me, meSize := text("me")
	if status := C.sbk_client_new(&client, engine, q.handle, me, meSize); status != C.SBK_OK {
		return failure(status)
	}
	defer C.sbk_client_free(client)
	C.sbk_client_add_every_scope(client)

	var profile, session struct{ ID string }
	_, err = q.call(func(tag C.uint64_t) C.sbk_status {
		document, size := text(`{"name": "hello", "setup_script": "echo hello > /root/greeting"}`)
		return C.sbk_profile_create(nil, client, tag, document, size, nil, 0)
	}, &profile, nil)
	if err != nil {
		return err
	}

	var version struct {
		LastJob string `json:"last_job"`
	}
	_, err = q.call(func(tag C.uint64_t) C.sbk_status {
		id, size := text(profile.ID)
		return C.sbk_version_publish(nil, client, tag, id, size)
	}, &version, nil)
	if err != nil {
		return err
	}

	var job struct {
		State string
		Error *Error
	}
	_, err = q.call(func(tag C.uint64_t) C.sbk_status {
		id, size := text(version.LastJob)
		return C.sbk_job_wait(nil, client, tag, id, size)
	}, &job, nil)
	if err != nil {
		return err
	}
	if job.Error != nil { // waiting succeeds also when the job failed
		return job.Error
	}

	_, err = q.call(func(tag C.uint64_t) C.sbk_status {
		options := C.sbk_session_options{profile: C.CString(profile.ID), profile_size: C.SBK_NUL}
		defer C.free(unsafe.Pointer(options.profile))
		options.struct_size = C.size_t(unsafe.Sizeof(options))
		return C.sbk_session_start(nil, client, tag, &options)
	}, &session, nil)
	if err != nil {
		return err
	}

	defer func() {
		_, failed := q.call(func(tag C.uint64_t) C.sbk_status {
			id, size := text(session.ID)
			return C.sbk_session_remove(nil, client, tag, id, size)
		}, nil, nil)
		if err == nil {
			err = failed
		}
	}()

	var command *C.sbk_command
	if status := C.sbk_command_new(&command); status != C.SBK_OK {
		return failure(status)
	}
	defer C.sbk_command_free(command)
	for _, argument := range []string{"cat", "/root/greeting"} {
		bytes, size := text(argument)
		C.sbk_command_add_argument(command, bytes, size)
	}
	output, err := q.call(func(tag C.uint64_t) C.sbk_status {
		id, size := text(session.ID)
		return C.sbk_session_exec(nil, client, tag, id, size, command, 0)
	}, nil, nil)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(output)
	return err
}

func main() {
	if err := mainJob(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
