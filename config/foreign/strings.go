package foreign

import "reflect"

// Strings makes every string that can be reached from the pointer v safe, as Line does: for what was decoded from another
// process's answer, so that a field that is added later is not forgotten.
func Strings(v any) { clean(reflect.ValueOf(v)) }

func clean(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		clean(v.Elem())
	case reflect.Interface:
		if text, ok := v.Interface().(string); ok && v.CanSet() {
			v.Set(reflect.ValueOf(Line(text).safe))
			return
		}
		clean(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Field(i); field.CanSet() { // others hold nothing of a decoder's
				clean(field)
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			clean(v.Index(i))
		}
	case reflect.Map:
		cleanMap(v)
	case reflect.String:
		v.SetString(Line(v.String()).safe)
	}
}

// cleanMap puts safe keys and values in the place of the others.
func cleanMap(v reflect.Value) {
	for _, key := range v.MapKeys() {
		pair := reflect.New(reflect.StructOf([]reflect.StructField{
			{Name: "Key", Type: v.Type().Key()}, {Name: "Value", Type: v.Type().Elem()},
		})).Elem()
		pair.Field(0).Set(key)
		pair.Field(1).Set(v.MapIndex(key))
		clean(pair)
		v.SetMapIndex(key, reflect.Value{})
		v.SetMapIndex(pair.Field(0), pair.Field(1))
	}
}
